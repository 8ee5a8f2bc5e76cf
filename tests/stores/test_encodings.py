"""Databases that are not in UTF-8."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chatkit_stores import PostgresStore, StoreError, migrate
from tests.fixtures.postgres import ADA, DatabaseServer, rows
from tests.stores.items import answer, question, thread

LOAF = "Pâté für 🚀"


@contextmanager
def database(server: DatabaseServer, encoding: str) -> Iterator[str]:
    name = f"in_{encoding.lower()}"
    how = f"template template0 encoding '{encoding}' locale 'C' locale_provider libc"
    server.execute(f"create database {name} {how}")
    try:
        yield server.database(name)
    finally:
        server.execute(f"drop database {name} with (force)")


async def test_a_database_that_was_made_without_a_locale_keeps_every_text(
    database_server: DatabaseServer,
) -> None:
    """SQL_ASCII, as `createdb` makes it on a machine whose LANG is not set."""
    with database(database_server, "SQL_ASCII") as dsn:
        await migrate(dsn)
        async with PostgresStore.open(dsn) as store:
            await store.save_thread(thread(title=LOAF), ADA)
            await store.begin_turn("turn", "thr_1", question("msg_1", LOAF), context=ADA)
            await store.finish_turn("turn", "thr_1", items=[answer("msg_2", LOAF)], context=ADA)
            [found] = (await store.load_threads(5, None, "desc", ADA)).data
            page = await store.load_thread_items("thr_1", None, 5, "asc", ADA)

    assert found == thread(title=LOAF)
    assert page.data == [question("msg_1", LOAF), answer("msg_2", LOAF)]


async def test_a_database_that_cannot_hold_every_text_is_refused(
    database_server: DatabaseServer,
) -> None:
    with database(database_server, "LATIN1") as dsn:
        with pytest.raises(StoreError, match=r"is in LATIN1, .* create it with encoding 'UTF8'"):
            await migrate(dsn)

        assert await rows(dsn, "select 1 from pg_namespace where nspname = 'chatkit'") == []
