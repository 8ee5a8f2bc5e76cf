"""What lies in the database, read past the store."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from tests.fixtures.postgres import rows


@dataclass(frozen=True)
class StoredItem:
    id: str
    thread_id: str
    user_id: str
    kind: str
    data: dict[str, Any] | None

    @property
    def text(self) -> str:
        return "".join(part["text"] for part in (self.data or {}).get("content", []))


async def stored_items(dsn: str) -> list[StoredItem]:
    """All items of all threads, in the order of their places."""
    found = await rows(
        dsn, "select id, thread_id, user_id, kind, data::text from chatkit.items order by seq"
    )
    return [
        StoredItem(item, thread, user, kind, json.loads(data) if data else None)
        for item, thread, user, kind, data in found
    ]


@dataclass(frozen=True)
class TurnItem(StoredItem):
    """An item with the turn that it is of, and the last one of its thread."""

    turn_id: str | None
    last_turn_id: str | None
    last_state: str | None
    """As a reader is told it: a turn whose server is gone is interrupted."""


async def turn_items(dsn: str) -> list[TurnItem]:
    """All items of all threads, removed ones too, in the order of their places."""
    found = await rows(
        dsn,
        """
        select items.id, thread_id, items.user_id, kind, data::text, items.turn_id, threads.turn_id,
            case
                when turn_state = 'running' and lease_until < clock_timestamp() then 'interrupted'
                else turn_state
            end
        from chatkit.items join chatkit.threads on threads.id = thread_id
        order by items.seq
        """,
    )
    return [
        TurnItem(item, thread, user, kind, json.loads(data) if data else None, *turns)
        for item, thread, user, kind, data, *turns in found
    ]


async def orphans(dsn: str) -> list[str]:
    """Rows that belong to nothing, or to somebody else than what they belong to."""
    return [
        str(row)
        for row in await rows(
            dsn,
            """
            select 'item', items.id from chatkit.items
            left join chatkit.threads on threads.id = items.thread_id
            where threads.id is null or threads.user_id <> items.user_id or threads.deleted
            union all
            select 'feedback', feedback.item_id from chatkit.feedback
            left join chatkit.items on items.id = feedback.item_id
            where items.id is null or items.user_id <> feedback.user_id
                or items.thread_id <> feedback.thread_id
            union all
            select 'thread without items', threads.id from chatkit.threads
            where not deleted
                and not exists (select from chatkit.items where thread_id = threads.id)
            """,
        )
    ]


async def held_threads(dsn: str) -> list[str]:
    """Threads that a turn still holds."""
    return [
        str(thread)
        for (thread,) in await rows(
            dsn, "select id from chatkit.threads where lease_until > clock_timestamp()"
        )
    ]


async def dump(dsn: str) -> dict[str, list[str]]:
    """Every row of every table that we have, to be compared with a later dump."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        found = await connection.execute(
            "select table_name from information_schema.tables where table_schema = 'chatkit'"
        )
        tables = [table for (table,) in await found.fetchall()]
        everything = {}
        for table in tables:
            query = SQL("select t::text from chatkit.{} t order by 1").format(Identifier(table))
            rows = await (await connection.execute(query)).fetchall()
            everything[table] = [row for (row,) in rows]
    return everything
