"""The database: whether it answers, what it has, what stands before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatkit_server.settings import Settings
from chatkit_server.storage import open_database

from .check import Check, say

if TYPE_CHECKING:
    from chatkit_stores.inspection import Inspection

_OLDEST = 140000
_SLOW = 0.1
_SKEWED, _WRONG = 2.0, 30.0


async def check_database(settings: Settings) -> list[Check]:
    from chatkit_stores import StoreError
    from chatkit_stores.inspection import inspect

    embedded = settings.database_url is None
    if embedded and not (settings.data_dir / "postgres").exists():
        message = f"Postgres is embedded; `serve` makes it in {settings.data_dir}."
        return [Check("database", "ok", message)]
    try:
        async with open_database(settings) as (dsn, migration_dsn):
            found = await inspect(dsn)
            past = await inspect(migration_dsn) if migration_dsn != dsn else None
    except (StoreError, ImportError) as error:
        advice = "Check DATABASE_URL, and that the database lets this machine in."
        if not embedded and settings.database_url_unpooled is not None:
            advice = "Check DATABASE_URL and DATABASE_URL_UNPOOLED, and that the database lets this"
            advice += " machine in."
        return [Check("database", "error", say(str(error)), "" if embedded else advice)]
    place = f", embedded in {settings.data_dir} for one machine," if embedded else ""
    return [
        _reached(found, place),
        _migrations(found, settings),
        *_poolers(found, past),
        *([] if embedded else [check_clock(found)]),
    ]


def _reached(found: Inspection, place: str) -> Check:
    ms = found.round_trip_seconds * 1000
    message = (
        f"PostgreSQL {found.version}{place} answers in {ms:.0f} ms, and took "
        f"{found.connect_seconds * 1000:.0f} ms to connect."
    )
    details = {
        "version": found.version,
        "round_trip_ms": round(ms, 1),
        "max_connections": found.connection_limit,
    }
    if not found.writable:
        return Check(
            "database",
            "error",
            f"PostgreSQL {found.version}{place} takes no writes.",
            "DATABASE_URL leads to a read replica, or to a primary that was replaced: name the "
            "address of the primary.",
            details,
        )
    if found.version_number < _OLDEST:
        return Check(
            "database", "warning", f"{message} It is older than what is tested, 14 and newer.",
            "Upgrade the database.", details,
        )  # fmt: skip
    if found.round_trip_seconds > _SLOW:
        return Check(
            "database",
            "warning",
            message,
            "Each turn waits for two round trips: run the server in the database's region.",
            details,
        )
    return Check("database", "ok", message, details=details)


def _migrations(found: Inspection, settings: Settings) -> Check:
    if found.unknown:
        return Check(
            "migrations",
            "error",
            f"The database was migrated by a newer version: {', '.join(found.unknown)}.",
            "Update chatkit-server.",
        )
    if found.missing:
        by_itself = settings.migrate == "auto"
        return Check(
            "migrations",
            "warning" if by_itself else "error",
            f"Migrations are still to be applied: {', '.join(found.missing)}.",
            "`serve` applies them at its start; `chatkit-server migrate` does now."
            if by_itself
            else "CHATKIT_MIGRATE is off: run `chatkit-server migrate`.",
        )
    return Check("migrations", "ok", "The database has this version's schema.")


def _poolers(found: Inspection, past: Inspection | None) -> list[Check]:
    if past is not None and past.pooled:
        return [
            Check(
                "pooler",
                "warning",
                "DATABASE_URL_UNPOOLED leads through a pooler.",
                "Name the address of the database itself in it; at Neon, the host without -pooler.",
            )
        ]
    if past is not None and (past.missing, past.unknown) != (found.missing, found.unknown):
        return [
            Check(
                "pooler",
                "error",
                "DATABASE_URL and DATABASE_URL_UNPOOLED lead to different databases.",
                "Name the same database in both.",
            )
        ]
    if found.pooled and past is None:
        return [
            Check(
                "pooler",
                "warning",
                "A pooler stands before the database, and migrations go through it too.",
                "Set DATABASE_URL_UNPOOLED to the database's own address, which migrations use.",
            )
        ]
    if found.pooled:
        message = "A pooler stands before the database, in any mode; migrations go past it."
        return [Check("pooler", "ok", message)]
    return []


def check_clock(found: Inspection) -> Check:
    ahead = found.clock_ahead_seconds
    if abs(ahead) < _SKEWED:
        return Check("clock", "ok", f"The clocks differ by {abs(ahead):.1f} seconds at most.")
    return Check(
        "clock",
        "error" if abs(ahead) > _WRONG else "warning",
        f"This machine's clock is {abs(ahead):.0f} seconds {'behind' if ahead > 0 else 'ahead of'} "
        "the database's.",
        "Keep the clocks of both by NTP: tokens and signed addresses expire by this one.",
        {"ahead_seconds": round(-ahead, 1)},
    )
