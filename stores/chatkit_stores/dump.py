"""Threads with all that belongs to them, written as the lines of a dump."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from chatkit.types import HiddenContextItem, SDKHiddenContextItem
from psycopg.sql import SQL

from chatkit_stores.database import Database, Row
from chatkit_stores.errors import StoreError
from chatkit_stores.lines import write_line
from chatkit_stores.removals import Removals, Selection
from chatkit_stores.rows import StoreContext, read_item, read_thread, utc

# Threads that are read at a time, and items of each: up to so many, or to so much text.
_THREADS: Final = 20
_ITEMS: Final = 200
_LENGTH: Final = 1_000_000

_LOAD_THREADS: Final = SQL("""
    select user_id, id, created_at, title, status, status_reason, allowed_image_domains, metadata
    from chatkit.threads where id = any(%(found)s) and not deleted order by seq
""")

_LOAD_ITEMS: Final = SQL("""
    select data, kind, updated_at, seq, found from (
        select items.data, feedback.kind, feedback.updated_at, items.seq, count(*) over () as found,
            sum(length(items.data)) over (order by items.seq) - length(items.data) as length_before
        from (
            select id, user_id, seq, data::text as data from chatkit.items
            where thread_id = %(thread)s and user_id = %(user)s and data is not null
            and seq > %(after)s
            order by seq limit %(limit)s
        ) as items left join chatkit.feedback
            on feedback.item_id = items.id and feedback.user_id = items.user_id
    ) as page
    where length_before < %(length)s order by seq
""")

_ATTACHMENT: Final = SQL(
    "user_id, thread_id, created_at, size, uploaded_at is not null, data::text"
)
_LOAD_ATTACHMENTS: Final = SQL("""
    select {attachment} from chatkit.attachments
    where thread_id = %(thread)s and user_id = %(user)s and not deleted order by created_at, id
""").format(attachment=_ATTACHMENT)
_LOAD_UNSENT: Final = SQL("""
    select {attachment} from chatkit.attachments
    where thread_id is null and user_id = %(user)s and not deleted order by created_at, id
""").format(attachment=_ATTACHMENT)


@dataclass(frozen=True, slots=True)
class DumpedThread:
    """A thread's lines, or the next of them: a long one comes in pieces."""

    lines: str
    begins: bool
    """Whether the thread's own line is in it."""


class Dumps(Removals):
    """The part of `PostgresStore` that gives everything away."""

    _database: Database

    async def dump_threads(
        self, selection: Selection, *, public: bool = False
    ) -> AsyncIterator[DumpedThread]:
        """Everything of these threads, as it is when it is read.

        Args:
            selection: Which.
            public: As their owners may see it: without hidden items and private metadata.
        """
        async for found in self.find_threads(selection):
            for start in range(0, len(found), _THREADS):
                async for piece in self._dump(found[start : start + _THREADS], public=public):
                    yield piece

    async def dump_user(self, *, context: StoreContext) -> AsyncIterator[str]:
        """What a user may have of everything that is kept about them."""
        selection = Selection.of_user(context)
        async for piece in self.dump_threads(selection, public=True):
            yield piece.lines
        [unsent] = await self._database.ask({"user": context.user_id}, _LOAD_UNSENT)
        yield "".join(_attachment_lines(unsent, public=True))

    async def _dump(self, found: list[str], *, public: bool) -> AsyncIterator[DumpedThread]:
        [threads] = await self._database.ask({"found": found}, _LOAD_THREADS)
        values = [
            {
                "user": row[0],
                "thread": row[1],
                "after": -(2**63),
                "limit": _ITEMS,
                "length": _LENGTH,
            }
            for row in threads
        ]
        flight = await self._database.fly(
            *((_LOAD_ATTACHMENTS, of) for of in values), *((_LOAD_ITEMS, of) for of in values)
        )
        attachments, items = flight.rows[: len(threads)], flight.rows[len(threads) :]
        for row, of, files, page in zip(threads, values, attachments, items, strict=True):
            begun = write_line(_thread(row, public=public))
            begun += "".join(_attachment_lines(files, public=public))
            yield DumpedThread(begun + "".join(_item_lines(page, public=public)), begins=True)
            while page and (page[0][4] == _ITEMS or page[0][4] > len(page)):
                [page] = await self._database.ask({**of, "after": page[-1][3]}, _LOAD_ITEMS)
                yield DumpedThread("".join(_item_lines(page, public=public)), begins=False)


def _thread(row: Row, *, public: bool) -> dict[str, Any]:
    user_id, *columns = row
    fields = read_thread(tuple(columns)).model_dump(mode="json", exclude_none=True)
    if public:
        del fields["metadata"]
    return {"type": "thread", "user_id": user_id, **fields}


def _item_lines(rows: list[Row], *, public: bool) -> Iterator[str]:
    for data, kind, updated_at, *_ in rows:
        item = _public_item(data) if public else json.loads(data)
        if item is None:
            continue
        line: dict[str, Any] = {"type": "item", "item": item}
        if kind is not None:
            line["feedback"] = {"kind": kind, "updated_at": _written(updated_at)}
        yield write_line(line)


def _public_item(data: str) -> dict[str, Any] | None:
    try:
        item = read_item(data)
    except StoreError:
        # Nor is it shown in the chat.
        return None
    if isinstance(item, HiddenContextItem | SDKHiddenContextItem):
        return None
    fields = item.model_dump(
        mode="json", by_alias=True, exclude_none=True, context={"exclude_metadata": True}
    )
    for attachment in fields.get("attachments", []):
        # A place in the database, and no address.
        attachment.pop("preview_url", None)
    return fields


def _attachment_lines(rows: list[Row], *, public: bool) -> Iterator[str]:
    for user_id, thread_id, created_at, size, uploaded, data in rows:
        attachment = json.loads(data)
        if public:
            private = ("metadata", "upload_descriptor", "preview_url")
            attachment = {name: attachment[name] for name in attachment if name not in private}
        yield write_line(
            {
                "type": "attachment",
                "user_id": user_id,
                "thread_id": thread_id,
                "created_at": _written(created_at),
                "size": size,
                "uploaded": uploaded,
                "attachment": attachment,
            }
        )


def _written(value: datetime) -> str:
    return utc(value).isoformat().replace("+00:00", "Z")
