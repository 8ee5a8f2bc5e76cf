"""Whoever writes several rows takes them in the order in which all others do, and never in turns.

Two that wait for each other are a deadlock: the database ends one of them after a second, and with
bad luck the same one again when it is tried once more.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple

import psycopg
import pytest
from chatkit.store import NotFoundError
from psycopg.conninfo import make_conninfo

from chatkit_stores import PostgresStore, Selection
from chatkit_stores.intake import Known
from tests.fixtures.postgres import ADA, execute, rows
from tests.stores.items import answer, file_attachment, question, thread
from tests.stores.test_dump import dump

# Rows without an order come as the planner reads them, which changes as tables grow.
_BY_ID = "-cenable_seqscan=off -cenable_bitmapscan=off"
_AS_THEY_LIE = "-cenable_indexscan=off -cenable_indexonlyscan=off -cenable_bitmapscan=off"
_WAITING = (
    "select pid from pg_stat_activity "
    "where datname = current_database() and wait_event_type = 'Lock'"
)


class Stores(NamedTuple):
    by_id: PostgresStore
    """Reads rows by their ids, where it is not told otherwise."""
    as_they_lie: PostgresStore
    dsn: str
    log: pytest.LogCaptureFixture

    async def cross(
        self, held: str, first: Coroutine[Any, Any, Any], second: Coroutine[Any, Any, Any]
    ) -> None:
        """Let the second come while the first waits for a row that somebody holds for a moment."""
        async with await psycopg.AsyncConnection.connect(self.dsn) as holder:
            await holder.execute(f"select 1 from chatkit.{held} for update".encode())
            tasks = []
            for work in (first, second):
                tasks.append(asyncio.create_task(work))
                async with asyncio.timeout(60):
                    while len(await rows(self.dsn, _WAITING)) < len(tasks):
                        if tasks[-1].done():
                            break
            await holder.rollback()
        await asyncio.gather(*tasks)
        assert "deadlock" not in self.log.text


@pytest.fixture
async def stores(direct_url: str, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Stores]:
    caplog.set_level(logging.INFO, "chatkit_stores")
    async with (
        PostgresStore.open(make_conninfo(direct_url, options=_BY_ID)) as by_id,
        PostgresStore.open(make_conninfo(direct_url, options=_AS_THEY_LIE)) as as_they_lie,
    ):
        yield Stores(by_id, as_they_lie, direct_url, caplog)


async def erase(store: PostgresStore) -> None:
    await store.erase_user(context=ADA)


async def delete(store: PostgresStore, *thread_ids: str) -> None:
    async for _ in store.delete_threads(Selection(thread_ids=thread_ids)):
        pass


async def take(store: PostgresStore, lines: list[bytes]) -> None:
    good, problems = await store.check_lines(list(enumerate(lines, 1)), Known())
    assert not problems
    await store.take_lines(good, Known())


async def test_an_import_beside_a_purge(stores: Stores) -> None:
    for thread_id in ("thr_1", "thr_2"):
        await stores.by_id.save_thread(thread(thread_id), ADA)
        await stores.by_id.add_thread_item(thread_id, question(f"m_{thread_id}"), ADA)
    lines = await dump(stores.by_id)
    backwards = lines[2:] + lines[:2]
    assert b"thr_2" in backwards[0]

    await stores.cross(
        "threads where id = 'thr_2'",
        take(stores.by_id, backwards),
        delete(stores.by_id, "thr_1", "thr_2"),
    )

    assert (await stores.by_id.load_threads(5, None, "asc", ADA)).data == []


async def test_an_import_beside_an_erasure(stores: Stores) -> None:
    for thread_id in ("thr_2", "thr_1"):
        await stores.by_id.save_thread(thread(thread_id), ADA)
    lines = sorted(await dump(stores.by_id))
    assert b"thr_1" in lines[0]
    for thread_id in ("thr_2", "thr_1"):
        await stores.by_id.delete_thread(thread_id, ADA)

    await stores.cross(
        "threads where id = 'thr_1'", take(stores.by_id, lines), erase(stores.as_they_lie)
    )

    assert await rows(stores.dsn, "select distinct user_id from chatkit.threads") == [("",)]


async def test_a_verdict_beside_a_deletion(stores: Stores) -> None:
    await stores.by_id.save_thread(thread(), ADA)
    for item_id in ("msg_2", "msg_1"):
        await stores.by_id.add_thread_item("thr_1", answer(item_id), ADA)

    async def rate() -> None:
        with suppress(NotFoundError):
            await stores.as_they_lie.add_feedback(
                "thr_1", ["msg_1", "msg_2"], "positive", context=ADA
            )

    await stores.cross("items where id = 'msg_1'", stores.by_id.delete_thread("thr_1", ADA), rate())


async def test_a_late_turn_beside_a_deletion(stores: Stores) -> None:
    store = stores.by_id
    await store.begin_turn("turn", thread(), question("q"), context=ADA)
    await store.checkpoint_turn("turn", "thr_1", items=[answer("a")], context=ADA)
    await execute(stores.dsn, "update chatkit.threads set lease_until = now() - interval '1s'")
    await store.begin_turn("turn_2", "thr_1", question("q2"), context=ADA)

    async def restore() -> None:
        verdict = await store.restore_turn(
            "turn", "thr_1", removed=["a"], default_title="T", context=ADA
        )
        assert verdict == "rejected"

    await stores.cross("threads", store.delete_thread("thr_1", ADA), restore())


async def send(store: PostgresStore) -> None:
    files = [file_attachment(attachment_id=f"atc_{n}") for n in (1, 2)]
    message = question("msg").model_copy(update={"attachments": files})
    started = await store.begin_turn("turn", thread(), message, context=ADA)
    assert started.refusal is None


async def announce(stores: Stores) -> None:
    """Two files, and so many others of the same user that their ids are what finds them."""
    await execute(
        stores.dsn,
        "insert into chatkit.attachments (id, user_id, data) "
        "select 'atc_x' || n, 'ada', '{}' from generate_series(1, 1000) n",
        "analyze chatkit.attachments",
    )
    for n in (2, 1):
        await stores.by_id.save_attachment(file_attachment(attachment_id=f"atc_{n}"), ADA)


@pytest.mark.parametrize("erased", ["by id", "as they lie"])
async def test_a_message_with_files_beside_an_erasure(stores: Stores, erased: str) -> None:
    await announce(stores)
    sending, erasing = stores.as_they_lie, stores.by_id
    held = "atc_2"
    if erased == "as they lie":
        sending, erasing, held = erasing, sending, "atc_1"

    await stores.cross(f"attachments where id = '{held}'", send(sending), erase(erasing))

    assert await rows(stores.dsn, "select id from chatkit.attachments") == []


async def test_a_message_with_files_beside_a_sweep(stores: Stores) -> None:
    await announce(stores)

    await stores.cross(
        "attachments where id = 'atc_1'",
        send(stores.by_id),
        stores.as_they_lie.condemn_attachments(older_than=timedelta()),
    )
