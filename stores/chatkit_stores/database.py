"""Carries statements to PostgreSQL, several in one round trip."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any, Final, NamedTuple, Self, TypeAlias

import psycopg
from chatkit.store import NotFoundError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Composed
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from chatkit_stores.errors import (
    IdTakenError,
    StoreCrowdedError,
    StoreError,
    StoreUnavailableError,
)
from chatkit_stores.statements import PING

logger = logging.getLogger(__name__)

Row: TypeAlias = tuple[Any, ...]
Query: TypeAlias = SQL | Composed
Statement: TypeAlias = tuple[Query, Mapping[str, Any]]

# How long a call waits for a connection, and the pool for one that doesn't come.
_PATIENCE: Final = 5.0
# A server that hangs keeps its connections open, so that nothing else ends the wait for it.
_ANSWER_WITHIN: Final = 10.0

# What has lost to another write is undone as a whole, and tried again once that one has gone on.
_CONFLICTS: Final = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
_PAUSES_AFTER_CONFLICTS: Final = (0.05, 0.2, 0.0)

# Pauses between two looks at a database that could not be reached.
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 5.0

_CONNECTION_DEFAULTS: Final[dict[str, Any]] = {
    "application_name": "chatkit",
    "connect_timeout": "5",
    # Else the database decides: one that was made without a locale gives bytes for text.
    "client_encoding": "UTF8",
    # A connection that a gateway forgot is noticed in seconds; TCP takes a quarter of an hour.
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}


class Flight(NamedTuple):
    rows: list[list[Row]]
    """The rows of each statement."""
    retried: bool
    """The statements may have been carried out twice."""


Watch: TypeAlias = Callable[[int], AbstractContextManager[object]]
"""Around each round trip; is told how many statements it carries."""


class PoolState(NamedTuple):
    """The connections at this moment."""

    size: int
    idle: int
    waiting: int
    """Calls that wait for one."""
    most: int


class Database:
    """A pool of connections without session state, so that any pooler may stand between.

    Who finds the database unreachable has waited for some seconds. Everyone after that is refused
    at once, until a probe in the background has found it again.
    """

    def __init__(self, pool: AsyncConnectionPool, watch: Watch | None = None) -> None:
        self._pool = pool
        self._watch = watch or _unwatched
        self._in_flight = 0
        self._answered_at = -_PATIENCE
        self._probe: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls, dsn: str, *, max_size: int = 10, watch: Watch | None = None
    ) -> AsyncIterator[Self]:
        """Connect in the background, and close the pool when the block ends."""
        pool = AsyncConnectionPool(
            connection_string(dsn),
            kwargs={"autocommit": True, "prepare_threshold": None},
            min_size=1,
            max_size=max_size,
            open=False,
            timeout=_PATIENCE,
            # Giving up soon lets the next call try at once, instead of in the long pauses that
            # the pool makes after a long outage.
            reconnect_timeout=_PATIENCE,
            name="chatkit",
        )
        # Not waited for: a server that starts during an outage comes up degraded.
        await pool.open(wait=False)
        database = cls(pool, watch)
        try:
            yield database
        finally:
            if database._probe is not None:
                database._probe.cancel()
                await asyncio.wait([database._probe])
            await pool.close()

    @property
    def is_away(self) -> bool:
        """Whether calls fail at once, since the database could not be reached."""
        return self._probe is not None

    @property
    def pool_state(self) -> PoolState:
        found = self._pool.get_stats()
        return PoolState(
            found.get("pool_size", 0),
            found.get("pool_available", 0),
            found.get("requests_waiting", 0),
            self._pool.max_size,
        )

    async def fly(self, *statements: Statement, tries: int = 1) -> Flight:
        """Carry out the statements in one round trip, all or none of them.

        When the connection turns out to be gone, they are sent once more over another one:
        they must be idempotent. A connection of a pool that is full is asked for so many times,
        for five seconds each. What conflicts with other writes is tried four times.
        """
        if self._probe is not None:
            # Others go on, also where the caller only tries again.
            await asyncio.sleep(0)
            raise StoreUnavailableError("the database cannot be reached: it did not answer lately")
        broken = False
        for pause in _PAUSES_AFTER_CONFLICTS:
            try:
                return Flight(await self._fly(statements, tries), retried=False)
            except _CONFLICTS as exc:
                logger.info("another write comes first, trying again: %s", exc)
                await asyncio.sleep(pause)
            except psycopg.OperationalError as exc:
                logger.info("the database failed, trying once more: %s", exc)
                broken = not _is_said(exc)
                break
        if broken:
            # One dropped connection is seldom alone: a restart takes all idle ones.
            await self._pool.drain()
        try:
            return Flight(await self._fly(statements), retried=broken)
        except psycopg.OperationalError as exc:
            if not _is_said(exc):
                self._start_probe()
            raise StoreUnavailableError(f"the database failed: {exc}") from exc

    async def ask(self, values: Mapping[str, Any], *queries: Query) -> list[list[Row]]:
        """Like `fly`, with the same values for all."""
        return (await self.fly(*((query, values) for query in queries))).rows

    async def _fly(self, statements: tuple[Statement, ...], tries: int = 1) -> list[list[Row]]:
        started_at = time.monotonic()
        try:
            async with self._pool.connection() as connection:
                return await self._carry(statements, connection)
        except (PoolTimeout, PoolClosed, TooManyRequests) as exc:
            # Where others had answers meanwhile, the pool is only full; where they are in flight,
            # nobody knows yet.
            answered = self._answered_at >= started_at
            if isinstance(exc, PoolTimeout):
                if (answered or self._in_flight) and tries > 1:
                    return await self._fly(statements, tries - 1)
                if answered:
                    raise StoreCrowdedError(f"the database is busy: {exc}") from exc
                if not self._in_flight:
                    self._start_probe()
            raise StoreUnavailableError(f"the database cannot be reached: {exc}") from exc
        except psycopg.errors.ReadOnlySqlTransaction as exc:
            # A former primary, until the address leads to the new one.
            raise StoreUnavailableError(f"the database takes no writes: {exc}") from exc
        except TimeoutError as exc:
            # Where others had answers meanwhile, it only waits for a row that somebody holds.
            if self._answered_at < started_at:
                self._start_probe()
            raise StoreUnavailableError("the database does not answer") from exc
        except (psycopg.errors.QueryCanceled, psycopg.errors.TransactionTimeout) as exc:
            raise StoreUnavailableError(f"the database took too long: {exc}") from exc
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as exc:
            # Its first line: the others quote the statement.
            found = exc.diag.message_primary
            raise StoreUnavailableError(
                f"the database is not migrated, run `chatkit-server migrate`: {found}"
            ) from exc
        except psycopg.errors.UniqueViolation as exc:
            raise IdTakenError(f"the id exists elsewhere: {exc.diag.constraint_name}") from exc
        except psycopg.errors.ForeignKeyViolation as exc:
            raise NotFoundError("what this belongs to was deleted at the same time") from exc
        except psycopg.Error as exc:
            # Class 54: a value that is too large for the database stays so.
            refused = (exc.sqlstate or "").startswith("54")
            if isinstance(exc, psycopg.OperationalError) and not refused:
                raise
            found = exc.diag.message_primary or type(exc).__name__
            raise StoreError(f"the database refused a statement: {found}") from exc

    async def found_again(self) -> None:
        """Wait for the end of the outage, where one is known."""
        if self._probe is not None:
            await asyncio.wait([self._probe])

    async def _carry(
        self, statements: tuple[Statement, ...], connection: psycopg.AsyncConnection
    ) -> list[list[Row]]:
        self._in_flight += 1
        try:
            with self._watch(len(statements)):
                async with asyncio.timeout(_ANSWER_WITHIN):
                    async with connection.pipeline():
                        cursors = await _send(statements, connection)
                    # Fetching inside the block would wait for each answer on its own.
                    found = [await c.fetchall() if c.description else [] for c in cursors]
            self._answered_at = time.monotonic()
            return found
        finally:
            self._in_flight -= 1

    def _start_probe(self) -> None:
        if self._probe is None:
            logger.warning("the database cannot be reached; calls fail at once until it is back")
            self._probe = asyncio.create_task(self._find_again())

    async def _find_again(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            try:
                await self._fly(((PING, {}),))
            except (StoreError, psycopg.OperationalError) as exc:
                logger.debug("the database is still away: %s", exc)
            else:
                logger.warning("the database is back")
                self._probe = None
                return


async def _send(
    statements: tuple[Statement, ...], connection: psycopg.AsyncConnection
) -> list[psycopg.AsyncCursor]:
    try:
        # In binary: times as text are in the form that a role or database has set, and psycopg
        # reads but one.
        return [await connection.execute(*statement, binary=True) for statement in statements]
    except BaseException as exc:
        # Where it was not the database that ended it, the pipeline's end would commit what was
        # sent until then.
        if getattr(exc, "sqlstate", None) is None:
            await connection.close()
        raise


def _is_said(error: psycopg.OperationalError) -> bool:
    """Whether it came over a connection that is as good as before: a conflict with another write,
    a lock that did not come, a disk that is full.
    """
    state = error.sqlstate or ""
    return state[:2] in ("40", "53", "55") and state != "53300"


def _unwatched(statements: int) -> AbstractContextManager[None]:
    return nullcontext()


def connection_string(dsn: str) -> str:
    """The DSN with our defaults where it says nothing."""
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        # Without the cause, which quotes pieces of the DSN and so perhaps the password.
        raise StoreError(
            "the database's address is not a PostgreSQL connection string; "
            "it should look like postgresql://user:password@host/database"
        ) from None
    return make_conninfo(**{**_CONNECTION_DEFAULTS, **given})
