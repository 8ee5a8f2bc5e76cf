"""What the database refuses, or does not do in time, without being away."""

import asyncio
import logging
import secrets
from contextlib import AbstractContextManager, nullcontext

import psycopg
import pytest

from chatkit_stores import PostgresStore, StoreError, StoreUnavailableError
from tests.fixtures.pool import wait_for_queue
from tests.fixtures.postgres import ADA, User, execute, rows
from tests.stores.items import thread

# What a test has asked with may still be on its way out, and vacuum may come at any time.
USED = """
    select pid from pg_stat_activity
    where application_name = 'chatkit' and datname = current_database()
"""
# A name longer than a row of an index, and not to be compressed.
ENDLESS = User(secrets.token_hex(8000))


async def test_a_lock_that_does_not_come_is_not_taken_for_an_outage(direct_url: str) -> None:
    """A role may have a `lock_timeout`; whoever holds one row must not hold up everybody."""
    async with (
        PostgresStore.open(f"{direct_url}&options=-clock_timeout%3D50ms") as store,
        await psycopg.AsyncConnection.connect(direct_url) as holder,
    ):
        await store.save_thread(thread(), ADA)
        await holder.execute("select * from chatkit.threads for update")

        with pytest.raises(StoreUnavailableError, match="lock timeout"):
            await store.save_thread(thread(title="T"), ADA)

        assert not store.is_away
        await store.ping()


async def test_a_slow_statement_is_not_taken_for_an_outage_while_others_are_answered(
    direct_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 60.0

    def watch(statements: int) -> AbstractContextManager[None]:
        # For the blocked one alone: a busy machine takes its time for the others.
        within = seconds if statements > 1 else 60.0
        monkeypatch.setattr("chatkit_stores.database._ANSWER_WITHIN", within)
        return nullcontext()

    async with (
        PostgresStore.open(direct_url, max_size=1, watch=watch) as store,
        await psycopg.AsyncConnection.connect(direct_url) as holder,
    ):
        await store.save_thread(thread(), ADA)
        await holder.execute("select * from chatkit.threads for update")
        seconds = 0.5
        pool = store._database._pool
        async with pool.connection():
            other = asyncio.create_task(store.ping())
            await wait_for_queue(pool, 1)
            blocked = asyncio.create_task(store.save_thread(thread(title="T"), ADA))
            await wait_for_queue(pool, 2)
        # It comes first, and so after the beginning of the one that is blocked.
        await other

        with pytest.raises(StoreUnavailableError, match="does not answer"):
            await blocked
        assert not store.is_away
        await store.ping()


async def test_what_the_database_has_no_room_for_is_refused_and_no_outage(
    store: PostgresStore,
) -> None:
    with pytest.raises(StoreError, match="index row") as refused:
        await store.save_thread(thread(), ENDLESS)

    assert not isinstance(refused.value, StoreUnavailableError)
    assert not store.is_away


async def test_two_writes_that_may_not_be_one_after_the_other_are_tried_again(
    direct_url: str,
) -> None:
    stricter = f"{direct_url}&options=-cdefault_transaction_isolation%3Dserializable"
    async with (
        PostgresStore.open(stricter, max_size=1) as store,
        await psycopg.AsyncConnection.connect(direct_url) as holder,
    ):
        await store.save_thread(thread(), ADA)
        used = await rows(direct_url, USED)
        await holder.execute("update chatkit.threads set title = '\"By another\"'")
        blocked = asyncio.create_task(
            store.update_thread("thr_1", {"metadata": {"a": 1}}, context=ADA)
        )
        async with asyncio.timeout(60):
            while not await rows(
                direct_url, "select 1 from pg_stat_activity where wait_event_type = 'Lock'"
            ):
                pass
        await holder.commit()

        assert (await blocked).title == "By another"
        # Over the same connection.
        assert len(used) == 1
        assert used == await rows(direct_url, USED)


async def test_who_has_lost_against_one_write_may_lose_against_the_next(direct_url: str) -> None:
    stricter = f"{direct_url}&options=-cdefault_transaction_isolation%3Dserializable"
    tries: list[int] = []

    def watch(statements: int) -> AbstractContextManager[None]:
        tries.append(statements)
        return nullcontext()

    async def until_it_waits(more_tries: int) -> None:
        waiting = (
            "select 1 from pg_stat_activity "
            "where datname = current_database() and wait_event_type = 'Lock'"
        )
        async with asyncio.timeout(60):
            while len(tries) < more_tries or not await rows(direct_url, waiting):
                await asyncio.sleep(0)

    async with (
        PostgresStore.open(stricter, watch=watch) as store,
        await psycopg.AsyncConnection.connect(direct_url) as one,
        await psycopg.AsyncConnection.connect(direct_url) as two,
    ):
        for thread_id in ("thr_1", "thr_2"):
            await store.save_thread(thread(thread_id), ADA)
        await one.execute("update chatkit.threads set title = '\"T\"' where id = 'thr_1'")
        await two.execute("update chatkit.threads set title = '\"T\"' where id = 'thr_2'")
        tries.clear()
        erased = asyncio.create_task(store.erase_user(context=ADA))
        # To note it, to look for threads, and to delete them.
        await until_it_waits(3)
        await one.commit()
        await until_it_waits(4)
        await two.commit()

        assert await erased == 2


async def test_who_loses_each_time_is_told_so_and_takes_it_for_no_outage(
    direct_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chatkit_stores")
    tries: list[int] = []

    def watch(statements: int) -> AbstractContextManager[None]:
        tries.append(statements)
        return nullcontext()

    async with PostgresStore.open(direct_url, watch=watch) as store:
        await store.save_thread(thread(), ADA)
        await execute(
            direct_url,
            "create function chatkit.lose() returns trigger language plpgsql as "
            "$$ begin raise exception 'lost' using errcode = 'serialization_failure'; end $$",
            "create trigger lose before update on chatkit.threads "
            "for each row execute function chatkit.lose()",
        )
        tries.clear()

        with pytest.raises(StoreUnavailableError, match="lost"):
            await store.save_thread(thread(title="T"), ADA)

        assert len(tries) == 4
        assert not store.is_away
        assert [record.message.partition(":")[0] for record in caplog.records] == [
            "another write comes first, trying again"
        ] * 3
