"""Looks at a database without changing it."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import psycopg

from chatkit_stores.database import connection_string
from chatkit_stores.errors import StoreUnavailableError
from chatkit_stores.migrations import compare

_PATIENCE: Final = 15.0


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a database says of itself."""

    version: str
    version_number: int
    """As PostgreSQL counts: 170002 for 17.2."""
    connect_seconds: float
    round_trip_seconds: float
    clock_ahead_seconds: float
    """Of the database's clock, against this machine's."""
    writable: bool
    pooled: bool
    """Whether a pooler stands between."""
    connection_limit: int
    missing: Sequence[str]
    """Migrations that are still to be applied."""
    unknown: Sequence[str]
    """Those of a newer version of ours."""


async def inspect(dsn: str) -> Inspection:
    """Look at the database behind a DSN, over one connection.

    Raises:
        StoreUnavailableError: it can't be reached, or does not let us in.
    """
    began = time.perf_counter()
    try:
        async with (
            asyncio.timeout(_PATIENCE),
            await psycopg.AsyncConnection.connect(
                connection_string(dsn), autocommit=True, prepare_threshold=None
            ) as connection,
        ):
            connected = time.perf_counter()
            # The quickest of some: the others were late on the way, or on a busy machine.
            round_trip, clock_ahead = min([await _look_at_clock(connection) for _ in range(3)])
            cursor = await connection.execute(
                "select current_setting('server_version'),"
                " current_setting('server_version_num')::int, pg_backend_pid(),"
                " current_setting('max_connections')::int,"
                " not (pg_is_in_recovery() or current_setting('transaction_read_only')::bool),"
                " to_regclass('chatkit.migrations') is not null"
            )
            found = await cursor.fetchone()
            assert found is not None  # noqa: S101
            version, number, backend, limit, writable, migrated = found
            applied: set[str] = set()
            if migrated:
                cursor = await connection.execute("select name from chatkit.migrations")
                applied = {name for (name,) in await cursor.fetchall()}
            # A pooler tells of itself, and not of the process that answers behind it.
            pooled = backend != connection.info.backend_pid
    except TimeoutError:
        raise StoreUnavailableError(
            f"the database did not answer within {_PATIENCE:.0f} seconds"
        ) from None
    except psycopg.Error as exc:
        raise StoreUnavailableError(f"the database cannot be reached: {exc}") from exc
    missing, unknown = compare(applied)
    return Inspection(
        version,
        number,
        connected - began,
        round_trip,
        clock_ahead,
        writable,
        pooled,
        limit,
        missing,
        unknown,
    )


async def _look_at_clock(connection: psycopg.AsyncConnection) -> tuple[float, float]:
    """The seconds that a round trip took, and by how many the database's clock is ahead."""
    asked_at, asked = datetime.now(UTC), time.perf_counter()
    # A time as text is in the form that a role or database has set.
    cursor = await connection.execute("select clock_timestamp()", binary=True)
    [[clock]] = await cursor.fetchall()
    took = time.perf_counter() - asked
    return took, (clock - asked_at).total_seconds() - took / 2
