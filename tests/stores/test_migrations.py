"""Migrations: once each, all or nothing, whoever starts at the same time."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from chatkit_stores import StoreError, StoreUnavailableError, migrate, migrations
from tests.fixtures.postgres import DatabaseServer, execute, rows


@pytest.fixture
def empty_url(database_server: DatabaseServer) -> Iterator[str]:
    with database_server.fresh_database("template1") as name:
        yield database_server.database(name)


def _names() -> list[str]:
    folder = Path(migrations.__file__).parent
    return sorted(path.stem for path in folder.glob("*.sql"))


async def test_an_empty_database_gets_everything_once(empty_url: str) -> None:
    assert await migrate(empty_url) == _names()
    assert await migrate(empty_url) == []
    applied = await rows(empty_url, "select name from chatkit.migrations order by name")
    assert [name for (name,) in applied] == _names()


async def test_servers_that_start_at_once_migrate_once(empty_url: str) -> None:
    applied = await asyncio.gather(*(migrate(empty_url) for _ in range(6)))

    assert sorted(applied, key=len) == [[]] * 5 + [_names()]


async def test_nothing_is_left_of_a_migration_that_fails(empty_url: str) -> None:
    await execute(empty_url, "create schema chatkit", "create table chatkit.attachments (a int)")

    with pytest.raises(StoreError, match="attachments"):
        await migrate(empty_url)

    tables = "select tablename from pg_tables where schemaname = 'chatkit'"
    assert await rows(empty_url, tables) == [("attachments",)]


async def test_a_newer_database_is_refused(empty_url: str) -> None:
    await migrate(empty_url)
    await execute(empty_url, "insert into chatkit.migrations (name) values ('9999_later')")

    with pytest.raises(StoreError, match=r"9999_later.*update chatkit-server"):
        await migrate(empty_url)


async def test_a_migrated_database_asks_for_no_rights(empty_url: str) -> None:
    await migrate(empty_url)
    await execute(
        empty_url,
        "create role reader login",
        "grant usage on schema chatkit to reader",
        "grant select on all tables in schema chatkit to reader",
    )
    try:
        assert await migrate(empty_url.replace("postgres@", "reader@")) == []
    finally:
        await execute(empty_url, "drop owned by reader", "drop role reader")


async def test_everything_lies_in_the_schema(empty_url: str) -> None:
    await migrate(empty_url)

    others = "select tablename from pg_tables where schemaname = 'public'"
    assert await rows(empty_url, others) == []


async def test_a_pooler_in_transaction_mode_may_stand_between(
    empty_url: str, pooler: DatabaseServer
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(empty_url)["dbname"]

    applied = await asyncio.gather(*(migrate(pooler.database(str(name))) for _ in range(3)))

    assert sorted(applied, key=len) == [[], [], _names()]
    locks = "select 1 from pg_locks where locktype = 'advisory'"
    assert await rows(empty_url, locks) == []


async def test_a_database_that_is_away_is_a_connection_error(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="cannot be migrated"):
        await migrate(f"postgresql://postgres@/postgres?host={tmp_path}")
