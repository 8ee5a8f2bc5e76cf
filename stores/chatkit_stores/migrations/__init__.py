"""Brings a database up to date: the SQL files of this folder, in the order of their names."""

import asyncio
from importlib.resources import files
from typing import Final

import psycopg

from chatkit_stores.database import connection_string
from chatkit_stores.errors import StoreError, StoreUnavailableError

# "chatkit" in ASCII: the same number for every server that may start at the same time.
_LOCK: Final = int.from_bytes(b"chatkit", "big")
# Whoever waits for a table makes all wait that come after: a short while, and then anew. Shorter
# than Postgres, by default, waits before it looks for a deadlock and ends one of the two, which
# might be a statement of a server.
_WAIT: Final = "500ms"
_PAUSE: Final = 2.0
_TRIES: Final = 8


class _TablesInUseError(Exception):
    pass


async def migrate(dsn: str) -> list[str]:
    """Apply what is missing, all or nothing, and return the names of what was applied.

    Any number of servers may call it at once. The user needs the right to create a schema only
    when something is to be applied. Tables that are in use, as by a dump, are asked for eight
    times within twenty seconds, so that nobody waits behind that for as long as a second.
    """
    known = _migrations()
    tries = 0
    while True:
        tries += 1
        try:
            return await _apply_missing(dsn, known)
        except _TablesInUseError as exc:
            if tries == _TRIES:
                raise StoreUnavailableError(
                    "the database cannot be migrated now, and nothing was changed: something, "
                    "perhaps a dump, holds a table of the store; try again when it is over"
                ) from exc
        except psycopg.OperationalError as exc:
            raise StoreUnavailableError(f"the database cannot be migrated now: {exc}") from exc
        except psycopg.Error as exc:
            raise StoreError(f"the database cannot be migrated: {exc}") from exc
        await asyncio.sleep(_PAUSE)


async def _apply_missing(dsn: str, known: dict[str, bytes]) -> list[str]:
    async with (
        await psycopg.AsyncConnection.connect(
            connection_string(dsn), autocommit=True, prepare_threshold=None
        ) as connection,
        connection.transaction(),
    ):
        # Ends with the transaction: a session's lock would stay behind in a pooler.
        await connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        missing = _missing(known, await _applied(connection))
        if missing:
            await _take_tables(connection)
        for name in missing:
            await connection.execute(known[name])
            await connection.execute("insert into chatkit.migrations (name) values (%s)", (name,))
        return missing


async def _take_tables(connection: psycopg.AsyncConnection) -> None:
    """Take all tables before any is changed: to take them one after another would cross servers."""
    cursor = await connection.execute(
        "select string_agg(format('chatkit.%I', relname), ', ' order by oid), "
        "current_setting('statement_timeout') from pg_class "
        "where relnamespace = 'chatkit'::regnamespace and relkind = 'r' "
        "and relname <> 'migrations' and pg_has_role(relowner, 'usage')"
    )
    [(tables, timeout)] = await cursor.fetchall()
    if tables is None:
        return
    set_timeout = "select set_config('statement_timeout', %s, true)"
    await connection.execute(set_timeout, (_WAIT,))
    try:
        await connection.execute(f"lock table {tables} in access exclusive mode".encode())
    except (
        psycopg.errors.QueryCanceled,
        psycopg.errors.LockNotAvailable,
        psycopg.errors.DeadlockDetected,
    ) as exc:
        raise _TablesInUseError from exc
    await connection.execute(set_timeout, (timeout,))


def compare(applied: set[str]) -> tuple[list[str], list[str]]:
    """What is missing of this version's migrations, and what only a newer version knows."""
    known = _migrations()
    return [name for name in known if name not in applied], sorted(applied - known.keys())


def _migrations() -> dict[str, bytes]:
    folder = files(__name__)
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(".sql")), key=str)
    return {path.name.removesuffix(".sql"): path.read_bytes() for path in paths}


async def _applied(connection: psycopg.AsyncConnection) -> set[str]:
    cursor = await connection.execute("select to_regclass('chatkit.migrations') is null")
    if await cursor.fetchone() == (True,):
        await _check_encoding(connection)
        await connection.execute("create schema if not exists chatkit")
        await connection.execute(
            "create table chatkit.migrations ("
            "name text primary key, applied_at timestamptz not null default now())"
        )
    cursor = await connection.execute("select name from chatkit.migrations")
    return {name for (name,) in await cursor.fetchall()}


async def _check_encoding(connection: psycopg.AsyncConnection) -> None:
    cursor = await connection.execute("select current_setting('server_encoding')")
    [(encoding,)] = await cursor.fetchall()
    if encoding not in ("UTF8", "SQL_ASCII"):
        raise StoreError(
            f"the database is in {encoding}, which has no room for what people write: create it "
            "with encoding 'UTF8', from template0"
        )


def _missing(known: dict[str, bytes], applied: set[str]) -> list[str]:
    unknown = sorted(applied - known.keys())
    if unknown:
        raise StoreError(
            f"the database was migrated by a newer version ({', '.join(unknown)}): "
            "update chatkit-server"
        )
    return [name for name in known if name not in applied]
