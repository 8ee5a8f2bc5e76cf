"""A deployment that goes on while the database is migrated: old servers write all the while."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.resources import files

import psycopg
import pytest

from chatkit_stores import PostgresStore, Selection, StoreUnavailableError, migrate, migrations
from tests.fixtures.postgres import ADA, BOB, DatabaseServer, execute, rows
from tests.stores.first_release import FirstRelease
from tests.stores.items import NOON, answer, question

FIRST = "0001_threads"


@pytest.fixture
def first_url(database_server: DatabaseServer) -> Iterator[str]:
    """A database as the first release has made it."""
    schema = (files(migrations) / f"{FIRST}.sql").read_text()
    with database_server.fresh_database("template1") as name:
        url = database_server.database(name)
        asyncio.run(
            execute(
                url,
                "create schema chatkit",
                "create table chatkit.migrations ("
                "name text primary key, applied_at timestamptz not null default now())",
                schema,
                f"insert into chatkit.migrations (name) values ('{FIRST}')",
            )
        )
        yield url


@asynccontextmanager
async def first_release(url: str, user: str = "ada") -> AsyncIterator[FirstRelease]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        yield FirstRelease(connection, user)


async def test_data_of_the_first_release_is_there_after_all_migrations(first_url: str) -> None:
    async with first_release(first_url) as old:
        await old.turn("thr_1", 1, NOON)
        await old.turn("thr_2", 1, NOON)
        await old.delete("thr_2")
        await old.attach("atc_1")

    applied = await migrate(first_url)

    assert applied[0] > FIRST
    async with PostgresStore.open(first_url) as store:
        [thread] = (await store.load_threads(10, None, "asc", ADA)).data
        assert (thread.id, thread.title) == ("thr_1", "Old")
        page = await store.load_thread_items("thr_1", None, 10, "asc", ADA)
        assert [item.type for item in page.data] == ["user_message", "assistant_message"]
        assert (await store.load_attachment("atc_1", ADA)).name == "a.txt"
        assert (await store.load_turn("thr_1", context=ADA)).state is None
        begun = await store.begin_turn("turn_2", "thr_1", question("msg_2"), context=ADA)
        assert [item.id for item in begun.items][-1] == "msg_2"
        assert await store.finish_turn("turn_2", "thr_1", items=[answer("ans_2")], context=ADA)


async def test_an_old_server_writes_on_while_the_schema_changes(first_url: str) -> None:
    wrote = asyncio.Event()
    migrated = asyncio.Event()
    turns = 0

    async def write() -> None:
        nonlocal turns
        async with first_release(first_url) as old:
            after = 0
            # A few more turns on the newest schema, in old threads and new ones.
            while after < 5:
                turns += 1
                after += migrated.is_set()
                await old.turn(f"thr_{turns % 7}", turns, NOON)
                await old.attach(f"atc_{turns}")
                if turns >= 10:
                    wrote.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        await wrote.wait()
        assert await migrate(first_url)
        migrated.set()

    assert turns > 14
    async with PostgresStore.open(first_url) as store:
        threads = (await store.load_threads(10, None, "asc", ADA)).data
        found = [
            item.id
            for thread in threads
            for item in (await store.load_thread_items(thread.id, None, 1000, "asc", ADA)).data
        ]
        assert len(found) == len(set(found)) == 2 * turns
        rated = await rows(first_url, "select count(*) from chatkit.feedback")
        assert rated == [(turns,)]


async def test_a_server_that_has_one_table_and_asks_for_another_goes_first(first_url: str) -> None:
    """A statement takes its tables one after another, in an order that no migration knows."""
    async with (
        await psycopg.AsyncConnection.connect(first_url, autocommit=True) as watch,
        await psycopg.AsyncConnection.connect(first_url) as server,
    ):
        # The migration gives way long before this, also where it stood still for a while: it would
        # be chance then whom the database ends.
        await server.execute("set deadlock_timeout = '1min'")
        await server.execute("lock table chatkit.items in row exclusive mode")
        migrating = asyncio.create_task(migrate(first_url))
        waiting = (
            "select 1 from pg_locks where relation = 'chatkit.items'::regclass and not granted"
        )
        while not await (await watch.execute(waiting)).fetchall():
            assert not migrating.done()
        await server.execute("lock table chatkit.threads in row share mode")
        await server.commit()
        assert await migrating


async def test_a_table_in_use_holds_up_the_migration_and_no_reader(
    first_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "_WAIT", "200ms")
    monkeypatch.setattr(migrations, "_PAUSE", 0.0)
    async with first_release(first_url) as old:
        await old.turn("thr_1", 1, NOON)
        async with await psycopg.AsyncConnection.connect(first_url) as dump:
            # As pg_dump holds all tables, for as long as it takes.
            await dump.execute("lock table chatkit.threads in access share mode")
            migrating = asyncio.create_task(migrate(first_url))
            after = 1
            while not migrating.done():
                after += 1
                await old.turn("thr_1", after, NOON)
            with pytest.raises(StoreUnavailableError, match="perhaps a dump"):
                await migrating
            assert after > 2
        assert await rows(first_url, "select name from chatkit.migrations") == [(FIRST,)]

        assert await migrate(first_url)
        await old.turn("thr_1", after + 1, NOON)


async def test_old_and_new_servers_share_threads(first_url: str) -> None:
    await migrate(first_url)
    async with first_release(first_url) as old, PostgresStore.open(first_url) as new:
        await old.turn("thr_1", 1, NOON)
        begun = await new.begin_turn("turn_n", "thr_1", question("msg_n"), context=ADA)
        assert len(begun.items) == 3
        with pytest.raises(AssertionError):
            # It is taken: the lease of the new one holds for the old one too.
            await old.turn("thr_1", 2, NOON)
        await new.finish_turn("turn_n", "thr_1", items=[answer("ans_n")], context=ADA)
        await old.turn("thr_1", 3, NOON)

        await old.turn("thr_2", 1, datetime.now(UTC))
        await old.delete("thr_2")
        await new.erase_user(context=BOB)
        async for _ in new.delete_threads(Selection(thread_ids=["thr_1"])):
            pass
        with pytest.raises(AssertionError):
            await old.turn("thr_1", 4, NOON)
        # What the old one has deleted is dated by the new one.
        assert await new.forget_deleted() == 0
        undated = "select count(*) from chatkit.threads where deleted and deleted_at is null"
        assert await rows(first_url, undated) == [(0,)]
        assert await rows(first_url, "select count(*) from chatkit.items") == [(0,)]
