"""Connections that break, databases that are away, statements that use their indexes."""

import asyncio
import contextlib
import json
import re
from collections.abc import Awaitable, Callable

import psycopg
import pytest
from psycopg.sql import SQL, Composed
from psycopg_pool import AsyncConnectionPool

from chatkit_stores import (
    PostgresStore,
    StoreCrowdedError,
    StoreError,
    StoreUnavailableError,
    migrate,
    statements,
)
from chatkit_stores.database import _PATIENCE as PATIENCE
from chatkit_stores.database import Database
from tests.fixtures.flights import Flights
from tests.fixtures.pool import end_patience, wait_for_queue
from tests.fixtures.postgres import ADA, DatabaseServer, rows
from tests.stores.items import answer, question, thread

OTHERS = "datname = current_database() and pid <> pg_backend_pid()"


async def _terminate_all(dsn: str) -> int:
    others = f"with others as materialized (select pid from pg_stat_activity where {OTHERS})"
    ended = await rows(dsn, f"{others} select pid, pg_terminate_backend(pid) from others")
    pids = ", ".join(str(pid) for pid, _ in ended) or "0"
    async with asyncio.timeout(60):
        while await rows(dsn, f"select 1 from pg_stat_activity where pid in ({pids})"):
            pass
    return len(ended)


async def _fill_pool(store: PostgresStore) -> None:
    await asyncio.gather(*(store.ping() for _ in range(20)))


async def test_connections_that_the_server_dropped_are_replaced_unnoticed(
    store: PostgresStore, direct_url: str
) -> None:
    await store.save_thread(thread(), ADA)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "begin": lambda: store.begin_turn("turn", "thr_1", question("msg_1"), context=ADA),
        "renew": lambda: store.checkpoint_turn("turn", "thr_1", context=ADA),
        "finish": lambda: store.finish_turn("turn", "thr_1", items=[answer("m_2")], context=ADA),
        "load": lambda: store.load_thread("thr_1", ADA),
        "add": lambda: store.add_thread_item("thr_1", answer("m_3"), ADA),
        "page": lambda: store.load_thread_items("thr_1", None, 5, "asc", ADA),
        "delete item": lambda: store.delete_thread_item("thr_1", "m_3", ADA),
        "delete": lambda: store.delete_thread("thr_1", ADA),
    }
    for name, call in calls.items():
        await _fill_pool(store)
        assert await _terminate_all(direct_url) > 0, name
        result = await call()
        assert result is not None or name in ("add", "delete item", "delete"), name

    assert (await store.load_threads(5, None, "desc", ADA)).data == []


async def test_statements_whose_answer_was_lost_are_sent_again(direct_url: str) -> None:
    """The server has carried them out, and the connection breaks before it says so."""
    async with Flights.to(direct_url) as flights, PostgresStore.open(flights.dsn) as store:
        await store.ping()

        flights.lose_next_answer()
        started = await store.begin_turn("turn", thread(), question("msg_1"), context=ADA)
        assert (started.refusal, started.items) == (None, [question("msg_1")])
        flights.lose_next_answer()
        await store.add_thread_item("thr_1", answer("msg_2"), ADA)
        flights.lose_next_answer()
        await store.delete_thread_item("thr_1", "msg_2", ADA)
        flights.lose_next_answer()
        assert await store.finish_turn("turn", "thr_1", items=[answer("msg_3")], context=ADA)
        page = await store.load_thread_items("thr_1", None, 5, "asc", ADA)
        assert [item.id for item in page.data] == ["msg_1", "msg_3"]
        flights.lose_next_answer()
        await store.delete_thread("thr_1", ADA)

        assert flights.lost == 5


@pytest.mark.usefixtures("hasty")
async def test_a_database_that_is_away_is_a_connection_error_and_comes_back(
    direct_url: str,
) -> None:
    async with Flights.to(direct_url) as flights, PostgresStore.open(flights.dsn) as store:
        await store.ping()
        await flights.shut()

        with pytest.raises(ConnectionError, match="database") as caught:
            await store.ping()
        assert isinstance(caught.value, StoreUnavailableError)

        await flights.reopen()
        await store.found_again()
        await store.ping()


@pytest.mark.usefixtures("hasty")
async def test_whoever_only_tries_again_while_it_is_away_holds_nobody_up(direct_url: str) -> None:
    async with Flights.to(direct_url) as flights, PostgresStore.open(flights.dsn) as store:
        await flights.shut()
        with pytest.raises(StoreUnavailableError):
            await store.ping()

        tries = 0
        back = asyncio.create_task(flights.reopen())
        async with asyncio.timeout(120):
            while True:
                tries += 1
                with contextlib.suppress(StoreUnavailableError):
                    await store.ping()
                    break
        await back
        assert tries > 1


async def test_a_database_that_wakes_up_within_a_second_or_so_is_waited_for(
    direct_url: str,
) -> None:
    assert PATIENCE > 2.0
    loop = asyncio.get_running_loop()
    async with Flights.to(direct_url) as flights, PostgresStore.open(flights.dsn) as store:
        await store.ping()
        await flights.shut()

        saves = [asyncio.create_task(store.save_thread(thread(f"thr_{n}"), ADA)) for n in range(20)]
        await wait_for_queue(store._database._pool, len(saves))
        asleep = asyncio.Event()
        loop.call_later(1.2, asleep.set)
        await asleep.wait()
        assert not any(save.done() for save in saves)
        await flights.reopen()
        await asyncio.gather(*saves)

        assert len((await store.load_threads(50, None, "desc", ADA)).data) == 20


@pytest.mark.usefixtures("hasty")
async def test_only_the_first_call_waits_for_a_database_that_stays_away(direct_url: str) -> None:
    loop = asyncio.get_running_loop()
    async with Flights.to(direct_url) as flights, PostgresStore.open(flights.dsn) as store:
        await flights.shut()
        with pytest.raises(StoreUnavailableError):
            await store.ping()

        began = loop.time()
        for _ in range(100):
            with pytest.raises(StoreUnavailableError, match="did not answer lately"):
                await store.load_thread("thr_1", ADA)
        # A wait is one of seconds.
        assert loop.time() - began < 20

        await flights.reopen()
        async with asyncio.timeout(60):
            await store.found_again()
        await asyncio.gather(*(store.ping() for _ in range(20)))


async def test_a_store_opens_and_closes_without_its_database(direct_url: str) -> None:
    async with Flights.to(direct_url) as flights:
        await flights.shut()
        async with asyncio.timeout(60), PostgresStore.open(flights.dsn) as store:
            await flights.reopen()
            await store.ping()
    async with asyncio.timeout(60), PostgresStore.open(flights.dsn):
        pass


@pytest.mark.usefixtures("hasty")
async def test_a_full_pool_is_a_connection_error(
    direct_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than the other call waits for its turn, on a busy machine too.
    monkeypatch.setattr("chatkit_stores.database._ANSWER_WITHIN", 60.0)
    async with (
        PostgresStore.open(direct_url, max_size=1) as store,
        await psycopg.AsyncConnection.connect(direct_url) as holder,
    ):
        await store.save_thread(thread(), ADA)
        await holder.execute("select * from chatkit.threads for update")
        blocked = asyncio.create_task(store.save_thread(thread(title="T"), ADA))
        async with asyncio.timeout(60):
            while not await rows(
                direct_url, "select 1 from pg_stat_activity where wait_event_type = 'Lock'"
            ):
                pass

        with pytest.raises(StoreUnavailableError, match="cannot be reached"):
            await store.ping()

        await holder.rollback()
        await blocked
        # The database itself was there all the time.
        await store.ping()


async def test_a_pool_whose_callers_wait_too_long_is_not_taken_for_an_outage(
    direct_url: str,
) -> None:
    async with AsyncConnectionPool(
        direct_url, kwargs={"autocommit": True}, min_size=1, max_size=1, timeout=60.0
    ) as pool:
        database = Database(pool)
        turn_over = asyncio.Event()

        async def hold() -> None:
            async with pool.connection():
                await turn_over.wait()

        async with pool.connection():
            answered = asyncio.create_task(database.ask({}, statements.PING))
            await wait_for_queue(pool, 1)
            holder = asyncio.create_task(hold())
            await wait_for_queue(pool, 2)
            in_vain = asyncio.create_task(database.ask({}, statements.PING))
            await wait_for_queue(pool, 3)
        assert await answered == [[(1,)]]
        # Not before the other had its answer, however slow that was.
        await end_patience(pool)
        with pytest.raises(StoreCrowdedError, match="is busy"):
            await in_vain
        turn_over.set()
        await holder

        # Refused at once, if that had been an outage.
        assert await database.ask({}, statements.PING) == [[(1,)]]


class _Leaving(dict[str, object]):
    """Values of a statement, at which whoever sends it is cancelled: once those before are done."""

    def __init__(self, dsn: str) -> None:
        super().__init__(x=1)
        self._dsn = dsn

    def __getitem__(self, name: str) -> object:
        found: list[object] = []
        with psycopg.connect(self._dsn, autocommit=True) as watch:
            while not found:
                found = list(watch.execute("select 1 from pg_locks where locktype = 'advisory'"))
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        return super().__getitem__(name)


@pytest.mark.parametrize("how", ["cancelled", "refused"])
async def test_statements_that_end_in_their_midst_are_undone(
    direct_url: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever leaves may leave between two of them, and the database has begun with the first."""
    # On a quick machine, all are sent before the loop turns and hears of it.
    monkeypatch.setattr("psycopg.waiting.MAX_BUSY_TIME", 0.0, raising=False)
    last = _Leaving(direct_url) if how == "cancelled" else {"x": object()}
    async with AsyncConnectionPool(direct_url, kwargs={"autocommit": True}) as pool:
        database = Database(pool)
        sending = asyncio.create_task(
            database.fly(
                (SQL("insert into chatkit.erasures (user_id) values (%(x)s)"), {"x": "ada"}),
                (SQL("select pg_advisory_xact_lock(1)"), {}),
                (SQL("select %(x)s"), last),
                (SQL("select 2"), {}),
            )
        )
        await asyncio.wait([sending])

        assert sending.cancelled() if how == "cancelled" else sending.exception()
        assert await rows(direct_url, "select user_id from chatkit.erasures") == []
        assert (await database.fly((SQL("select 3"), {}))).rows == [[(3,)]]


async def test_a_cancelled_call_leaves_a_working_store(direct_url: str) -> None:
    async with (
        PostgresStore.open(direct_url, max_size=1) as store,
        await psycopg.AsyncConnection.connect(direct_url) as holder,
    ):
        await store.save_thread(thread(), ADA)
        await holder.execute("select * from chatkit.threads for update")
        blocked = asyncio.create_task(
            store.begin_turn("turn", "thr_1", question("msg_1"), context=ADA)
        )
        async with asyncio.timeout(60):
            while not await rows(
                direct_url, "select 1 from pg_stat_activity where wait_event_type = 'Lock'"
            ):
                pass
        blocked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await blocked
        await holder.rollback()

        assert (await store.load_thread_items("thr_1", None, 5, "asc", ADA)).data == []
        started = await store.begin_turn("turn_2", "thr_1", question("msg_2"), context=ADA)
        assert started.refusal is None


async def test_a_database_that_takes_no_writes_for_now_is_unavailable(direct_url: str) -> None:
    """As during a failover, while the address still leads to what is a replica by now."""
    async with PostgresStore.open(
        f"{direct_url}&options=-cdefault_transaction_read_only%3Don"
    ) as s:
        with pytest.raises(StoreUnavailableError, match="takes no writes"):
            await s.begin_turn("turn", thread(), question("msg_1"), context=ADA)


async def test_a_database_without_tables_says_that_it_is_not_migrated(
    database_server: DatabaseServer,
) -> None:
    with database_server.fresh_database("template1") as name:
        dsn = database_server.database(name)
        async with PostgresStore.open(dsn) as store:
            with pytest.raises(StoreUnavailableError, match="not migrated"):
                await store.load_thread("thr_1", ADA)
            assert await migrate(dsn)
            await store.save_thread(thread(), ADA)


async def test_an_address_that_is_none_is_refused_without_being_quoted() -> None:
    with pytest.raises(StoreError, match="postgresql://") as caught:
        async with PostgresStore.open("not-an-address hunter2"):
            pass
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


PLANS = {
    "threads desc": (statements.THREADS_PAGE["desc"], "threads_in_order"),
    "threads asc": (statements.THREADS_PAGE["asc"], "threads_in_order"),
    "items desc": (statements.ITEMS_PAGE["desc"], "items_in_order"),
    "items asc": (statements.ITEMS_PAGE["asc"], "items_in_order"),
    "history": (statements.HISTORY, "items_in_order"),
    "load item": (statements.LOAD_ITEM, "items_"),
    "load thread": (statements.LOAD_THREAD, "threads_"),
    "lease": (statements.LEASE, "threads_"),
    "put answer": (statements.PUT_ANSWER, "threads_"),
    "restore item": (statements.RESTORE_ITEM, "threads_"),
    "remove restored": (statements.REMOVE_RESTORED, "items_"),
    "present items": (statements.PRESENT_ITEMS, "items_"),
    "id is taken": (statements.ID_IS_TAKEN, "threads_"),
    "feedback": (statements.ADD_FEEDBACK, "items_"),
    "delete feedback": (statements.DELETE_FEEDBACK, "feedback_pkey"),
    "delete items": (statements.DELETE_ITEMS, "items_"),
}


async def test_every_statement_finds_its_rows_through_an_index(direct_url: str) -> None:
    values = {"user": "user_7", "thread": "thr_7", "item": "msg_707", "after": "msg_707"}
    values |= {"turn": "t", "kind": "positive", "data": "{}"}
    others = {
        "items": ["msg_707"],
        "removed": ["msg_707"],
        "limit": 21,
        "history": 60,
        "lease": 15.0,
        "count": 1,
    }
    async with await psycopg.AsyncConnection.connect(direct_url, autocommit=True) as connection:
        await connection.execute(
            "insert into chatkit.threads (id, user_id, created_at) "
            "select 'thr_' || n, 'user_' || n % 8, now() from generate_series(1, 8000) n"
        )
        await connection.execute(
            "insert into chatkit.items (id, thread_id, user_id, kind, data) "
            "select 'msg_' || n, 'thr_' || n % 20 + 1, 'user_' || (n % 20 + 1) % 8, "
            "'user_message', '{}' from generate_series(1, 20000) n"
        )
        await connection.execute(
            "insert into chatkit.feedback (item_id, user_id, thread_id, kind) "
            "select id, user_id, thread_id, 'positive' from chatkit.items"
        )
        await connection.execute("analyze")
        for name, (statement, index) in PLANS.items():
            explain = Composed([SQL("explain (format json) "), statement])
            cursor = await connection.execute(explain, {**values, **others})
            plan = json.dumps(await cursor.fetchall())
            assert index in plan, name
            # The switch is one row.
            scanned = re.findall(r'"Seq Scan".*?"Relation Name": "(\w+)"', plan)
            assert set(scanned) <= {"answering"}, name
            assert '"Sort"' not in plan, name


@pytest.mark.usefixtures("hasty")
async def test_a_database_that_hangs_is_a_connection_error(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        Flights.to(database_url, delay=0) as flights,
        PostgresStore.open(flights.dsn) as store,
    ):
        await store.ping()
        flights.delay = 600  # Connected, and silent.

        with monkeypatch.context() as impatient:
            impatient.setattr("chatkit_stores.database._ANSWER_WITHIN", 0.2)
            with pytest.raises(StoreUnavailableError, match="does not answer"):
                await store.ping()
        # At once: it is not asked.
        with pytest.raises(StoreUnavailableError, match="did not answer lately"):
            await store.ping()

        flights.delay = 0
        await store.found_again()
        await store.ping()
