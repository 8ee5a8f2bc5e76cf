"""Stores as OpenAI's documents, samples and tests write them, under the contract.

Written anew after these patterns, with the same order of calls, statements and omissions. Run by
`test_patterns.py`, which says what fails; the file is not collected by itself.
"""

import os
import sqlite3
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from chatkit.store import NotFoundError, Store
from chatkit.types import Attachment, Page, ThreadItem, ThreadMetadata
from psycopg.types.json import Jsonb
from pydantic import BaseModel

from chatkit_stores.testing import OpenStore, StoreContract, User


class QuickstartStore(Store[Any]):
    """The store of the SDK's quick start: two dicts, the objects themselves, no owner."""

    def __init__(self) -> None:
        self.threads: dict[str, ThreadMetadata] = {}
        self.items: dict[str, list[ThreadItem]] = defaultdict(list)

    def copied(self, entry: Any) -> Any:
        return entry

    async def load_thread(self, thread_id: str, context: Any) -> ThreadMetadata:
        if thread_id not in self.threads:
            raise NotFoundError(f"thread {thread_id} not found")
        thread: ThreadMetadata = self.copied(self.threads[thread_id])
        return thread

    async def save_thread(self, thread: ThreadMetadata, context: Any) -> None:
        self.threads[thread.id] = self.copied(thread)

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: Any
    ) -> Page[ThreadMetadata]:
        return self._page(list(self.threads.values()), after, limit, order)

    async def delete_thread(self, thread_id: str, context: Any) -> None:
        self.threads.pop(thread_id, None)
        self.items.pop(thread_id, None)

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: Any
    ) -> Page[ThreadItem]:
        return self._page(self.items.get(thread_id, []), after, limit, order)

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: Any) -> None:
        self.items[thread_id].append(self.copied(item))

    async def save_item(self, thread_id: str, item: ThreadItem, context: Any) -> None:
        for place, stored in enumerate(self.items[thread_id]):
            if stored.id == item.id:
                self.items[thread_id][place] = self.copied(item)
                return
        await self.add_thread_item(thread_id, item, context)

    async def load_item(self, thread_id: str, item_id: str, context: Any) -> ThreadItem:
        for item in self.items.get(thread_id, []):
            if item.id == item_id:
                found: ThreadItem = self.copied(item)
                return found
        raise NotFoundError(f"item {item_id} not found")

    async def delete_thread_item(self, thread_id: str, item_id: str, context: Any) -> None:
        kept = [item for item in self.items.get(thread_id, []) if item.id != item_id]
        self.items[thread_id] = kept

    async def save_attachment(self, attachment: Attachment, context: Any) -> None:
        raise NotImplementedError

    async def load_attachment(self, attachment_id: str, context: Any) -> Attachment:
        raise NotImplementedError

    async def delete_attachment(self, attachment_id: str, context: Any) -> None:
        raise NotImplementedError

    def _page(self, rows: Sequence[Any], after: str | None, limit: int, order: str) -> Page[Any]:
        ordered = sorted(rows, key=lambda row: row.created_at, reverse=order == "desc")
        places = {row.id: place for place, row in enumerate(ordered)}
        start = places.get(after, -1) + 1 if after else 0
        found = [self.copied(row) for row in ordered[start : start + limit]]
        more = start + limit < len(ordered)
        return Page(data=found, has_more=more, after=found[-1].id if more and found else None)


class SampleStore(QuickstartStore):
    """`MemoryStore` of OpenAI's advanced samples: the same with copies, and without the items
    that a thread may carry."""

    def copied(self, entry: Any) -> Any:
        copy = entry.model_copy(deep=True)
        if isinstance(copy, ThreadMetadata):
            return ThreadMetadata(**copy.model_dump(exclude={"items"}))
        return copy


class ThreadData(BaseModel):
    thread: ThreadMetadata


class ItemData(BaseModel):
    item: ThreadItem


class AttachmentData(BaseModel):
    attachment: Attachment


class JsonStore(Store[User]):
    """One JSON column, order and cursor by `created_at`, a statement for each method."""

    @abstractmethod
    def run(self, statement: str, *values: Any) -> list[Any]: ...

    @abstractmethod
    def written(self, data: BaseModel) -> Any: ...

    @abstractmethod
    def read(self, model: Any, value: Any) -> Any: ...

    def time(self, value: datetime) -> Any:
        return value

    async def load_thread(self, thread_id: str, context: User) -> ThreadMetadata:
        rows = self.run(
            "select data from threads where id = %s and user_id = %s", thread_id, context.user_id
        )
        thread: ThreadMetadata = self._one(rows, ThreadData, thread_id).thread
        return thread

    async def save_thread(self, thread: ThreadMetadata, context: User) -> None:
        self.run(
            "insert into threads (id, user_id, created_at, data) values (%s, %s, %s, %s)",
            thread.id,
            context.user_id,
            self.time(thread.created_at),
            self.written(ThreadData(thread=thread)),
        )

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: User
    ) -> Page[ThreadMetadata]:
        wanted = "user_id = %s", [context.user_id]
        rows, more = self._page("threads", *wanted, after, limit, order)
        threads = [self.read(ThreadData, data).thread for (data,) in rows]
        return Page(data=threads, has_more=more, after=threads[-1].id if more else None)

    async def delete_thread(self, thread_id: str, context: User) -> None:
        owned = thread_id, context.user_id
        self.run("delete from threads where id = %s and user_id = %s", *owned)
        self.run("delete from items where thread_id = %s and user_id = %s", *owned)

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: User
    ) -> Page[ThreadItem]:
        wanted = "user_id = %s and thread_id = %s", [context.user_id, thread_id]
        rows, more = self._page("items", *wanted, after, limit, order)
        items = [self.read(ItemData, data).item for (data,) in rows]
        return Page(data=items, has_more=more, after=items[-1].id if more else None)

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: User) -> None:
        self.run(
            "insert into items (id, thread_id, user_id, created_at, data)"
            " values (%s, %s, %s, %s, %s)",
            item.id,
            thread_id,
            context.user_id,
            self.time(item.created_at),
            self.written(ItemData(item=item)),
        )

    async def save_item(self, thread_id: str, item: ThreadItem, context: User) -> None:
        self.run(
            "update items set data = %s where id = %s and thread_id = %s and user_id = %s",
            self.written(ItemData(item=item)),
            item.id,
            thread_id,
            context.user_id,
        )

    async def load_item(self, thread_id: str, item_id: str, context: User) -> ThreadItem:
        owned = item_id, thread_id, context.user_id
        rows = self.run(
            "select data from items where id = %s and thread_id = %s and user_id = %s", *owned
        )
        item: ThreadItem = self._one(rows, ItemData, item_id).item
        return item

    async def delete_thread_item(self, thread_id: str, item_id: str, context: User) -> None:
        owned = item_id, thread_id, context.user_id
        self.run("delete from items where id = %s and thread_id = %s and user_id = %s", *owned)

    async def save_attachment(self, attachment: Attachment, context: User) -> None:
        self.run(
            "insert into files (id, user_id, data) values (%s, %s, %s)",
            attachment.id,
            context.user_id,
            self.written(AttachmentData(attachment=attachment)),
        )

    async def load_attachment(self, attachment_id: str, context: User) -> Attachment:
        owned = attachment_id, context.user_id
        rows = self.run("select data from files where id = %s and user_id = %s", *owned)
        attachment: Attachment = self._one(rows, AttachmentData, attachment_id).attachment
        return attachment

    async def delete_attachment(self, attachment_id: str, context: User) -> None:
        owned = attachment_id, context.user_id
        self.run("delete from files where id = %s and user_id = %s", *owned)

    def _one(self, rows: list[Any], model: Any, name: str) -> Any:
        if not rows:
            raise NotFoundError(f"{name} not found")
        return self.read(model, rows[0][0])

    def _page(
        self,
        table: str,
        condition: str,
        values: list[Any],
        after: str | None,
        limit: int,
        order: str,
    ) -> tuple[list[Any], bool]:
        if after:
            owned = after, values[0]
            place = self.run(
                f"select created_at from {table} where id = %s and user_id = %s", *owned
            )
            if not place:
                raise (NotFoundError if table == "items" else ValueError)(f"{after} not found")
            condition += f" and created_at {'>' if order == 'asc' else '<'} %s"
            values = [*values, place[0][0]]
        rows = self.run(
            f"select data from {table} where {condition} order by created_at {order} limit %s",
            *values,
            limit + 1,
        )
        more = len(rows) > limit
        return (rows[:limit] if more else rows), more


class SQLiteStore(JsonStore):
    """The store of the SDK's own tests: it replaces threads, and finds anybody's attachments."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for table in ("threads", "items", "files"):
            self.run(
                f"create table if not exists {table} (id text primary key, thread_id text,"
                " user_id text not null, created_at text, data text not null)"
            )

    def run(self, statement: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            return connection.execute(statement.replace("%s", "?"), values).fetchall()

    def written(self, data: BaseModel) -> str:
        return data.model_dump_json()

    def read(self, model: Any, value: str) -> Any:
        return model.model_validate_json(value)

    def time(self, value: datetime) -> str:
        return value.isoformat()

    async def save_thread(self, thread: ThreadMetadata, context: User) -> None:
        owned = thread.id, context.user_id
        self.run("delete from threads where id = %s and user_id = %s", *owned)
        await super().save_thread(thread, context)

    async def save_attachment(self, attachment: Attachment, context: User) -> None:
        self.run("delete from files where id = %s", attachment.id)
        await super().save_attachment(attachment, context)

    async def load_attachment(self, attachment_id: str, context: User) -> Attachment:
        rows = self.run("select data from files where id = %s", attachment_id)
        attachment: Attachment = self._one(rows, AttachmentData, attachment_id).attachment
        return attachment


class GuideStore(JsonStore):
    """The Postgres store of the guide "Respond to a user message": its schema and its first two
    methods, and the others by the same pattern, as it says."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    def run(self, statement: str, *values: Any) -> list[Any]:
        with psycopg.connect(self.dsn) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def written(self, data: BaseModel) -> Jsonb:
        # The guide passes a dict, which psycopg refuses.
        return Jsonb(data.model_dump(mode="json"))

    def read(self, model: Any, value: Any) -> Any:
        return model.model_validate(value)


GUIDE_SCHEMA = """
create table threads (
    id text primary key, user_id text not null, created_at timestamptz not null,
    data jsonb not null
);
create table items (
    id text primary key, thread_id text not null references threads (id) on delete cascade,
    user_id text not null, created_at timestamptz not null, data jsonb not null
);
create table files (id text primary key, user_id text not null, data jsonb not null);
"""


class TestQuickstart(StoreContract):
    patience = 20.0

    @pytest.fixture
    def open_store(self) -> OpenStore:
        return lambda: nullcontext(QuickstartStore())


class TestSample(StoreContract):
    patience = 20.0

    @pytest.fixture
    def open_store(self) -> OpenStore:
        return lambda: nullcontext(SampleStore())


class TestSQLite(StoreContract):
    long_thread = 100
    patience = 20.0

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        return lambda: nullcontext(SQLiteStore(tmp_path / "chatkit.db"))


class TestGuide(StoreContract):
    long_thread = 100
    patience = 20.0

    @pytest.fixture
    def open_store(self) -> OpenStore:
        return lambda: nullcontext(GuideStore(os.environ["GUIDE_DSN"]))
