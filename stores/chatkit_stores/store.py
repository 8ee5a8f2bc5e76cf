"""Keeps threads, items, attachments and feedback in PostgreSQL."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

from chatkit.store import NotFoundError, Store, StoreItemType
from chatkit.types import FeedbackKind, Page, ThreadItem, ThreadMetadata
from psycopg.sql import Composed

from chatkit_stores import attachments, statements
from chatkit_stores.answering import Switches
from chatkit_stores.attachments import Attachments
from chatkit_stores.chores import Chores
from chatkit_stores.database import Database, PoolState, Query, Row, Watch
from chatkit_stores.dump import Dumps
from chatkit_stores.errors import TurnLostError
from chatkit_stores.ids import new_id
from chatkit_stores.intake import Intake
from chatkit_stores.restored import Restores
from chatkit_stores.rows import (
    StoreContext,
    changed_values,
    item_values,
    keys,
    read_item,
    read_items,
    read_thread,
    snapshot,
)
from chatkit_stores.snapshots import Snapshots
from chatkit_stores.turns import Turns
from chatkit_stores.unanswered import FORGET_ITEM, Unanswered


class PostgresStore(
    Turns, Restores, Attachments, Switches, Unanswered, Dumps, Intake, Chores, Store[StoreContext]
):
    """A ChatKit store in PostgreSQL; `migrate` makes its tables.

    What the context's user does not own is not found. A deleted thread or item stays deleted:
    to save it again is `NotFoundError` too, and a page may still start after it. The place of a
    deleted thread is given up by `forget_deleted`, a month later.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._snapshots = Snapshots()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, dsn: str, *, max_size: int = 10, watch: Watch | None = None
    ) -> AsyncIterator[Self]:
        """Connect in the background, and close the connections when the block ends.

        Args:
            dsn: Of the database, or of a pooler before it.
            max_size: Connections at most.
            watch: Put around each round trip, to time it.
        """
        async with Database.open(dsn, max_size=max_size, watch=watch) as database:
            yield cls(database)

    async def ping(self) -> None:
        """Return when the database answers; `StoreUnavailableError` otherwise."""
        await self._database.ask({}, statements.PING)

    @property
    def is_away(self) -> bool:
        """Whether calls fail at once, since the database could not be reached."""
        return self._database.is_away

    @property
    def pool_state(self) -> PoolState:
        """The connections at this moment."""
        return self._database.pool_state

    async def found_again(self) -> None:
        """Return when the database has been found again after an outage; at once without one.

        It may still fail: an outage is known only once a call has waited for it.
        """
        await self._database.found_again()

    def generate_thread_id(self, context: StoreContext) -> str:
        return new_id("thread")

    def generate_item_id(
        self, item_type: StoreItemType, thread: ThreadMetadata, context: StoreContext
    ) -> str:
        return new_id(item_type)

    async def load_thread(self, thread_id: str, context: StoreContext) -> ThreadMetadata:
        values = keys(context, thread=thread_id)
        [threads] = await self._database.ask(values, statements.LOAD_THREAD)
        if not threads:
            raise NotFoundError(f"thread {thread_id} not found")
        return self._read_thread(threads[0])

    async def save_thread(self, thread: ThreadMetadata, context: StoreContext) -> None:
        """Add the thread, or write the fields that were changed since it was loaded or saved.

        The SDK saves a turn's thread as it was at the turn's beginning: what others changed in the
        meantime stays. An object that this store has not seen replaces the whole thread.
        """
        now = snapshot(thread)
        values = keys(context, thread=thread.id) | now
        statement: Query = statements.SAVE_THREAD
        # The SDK creates a thread by a copy, and goes on with an object that nobody has seen: that
        # one is known by the request's context.
        before = self._snapshots.of(thread) or self._snapshots.of(context)
        known = before is not None and before["thread"] == thread.id
        if before is not None and known:
            changed = [name for name in now.keys() - {"created_at"} if now[name] != before[name]]
            statement = statements.update_thread(changed)
        held, saved = await self._database.ask(values, statements.HOLD_THREAD, statement)
        if not saved:
            _check_held(held, thread.id)
            raise NotFoundError(f"thread {thread.id} not found")
        self._snapshots.keep(thread, now)
        if not known:
            self._snapshots.keep(context, now)

    def _read_thread(self, row: Row) -> ThreadMetadata:
        thread = read_thread(row)
        self._snapshots.keep(thread, snapshot(thread))
        return thread

    async def update_thread(
        self, thread_id: str, changes: Mapping[str, Any], *, context: StoreContext
    ) -> ThreadMetadata:
        """Write these fields only; what others wrote into the rest stays.

        The fields are title, status, allowed_image_domains and metadata.
        """
        columns = changed_values(changes)
        values = keys(context, thread=thread_id) | columns
        held, threads = await self._database.ask(
            values, statements.HOLD_THREAD, statements.update_thread(columns)
        )
        _check_held(held, thread_id)
        return self._read_thread(threads[0])

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: StoreContext
    ) -> Page[ThreadMetadata]:
        """The user's threads in the order in which they were made."""
        values = keys(context, after=after) | {"limit": _one_more(limit)}
        page = _in_order(statements.THREADS_PAGE, order)
        places, rows = await self._database.ask(values, statements.THREAD_EXISTED, page)
        if after is not None and not places:
            raise NotFoundError(f"thread {after} not found")
        threads = [self._read_thread(row) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(data=threads, has_more=more, after=threads[-1].id if more else None)

    async def delete_thread(self, thread_id: str, context: StoreContext) -> None:
        values = keys(context, thread=thread_id)
        (found, *_), retried = await self._database.fly(
            (statements.THREAD_IS_DELETED, values),
            (statements.DELETE_THREAD, values),
            (statements.DELETE_ITEMS, values),
            (attachments.DELETE_OF_THREAD, values),
            (attachments.CONDEMN_OF_THREAD, values),
        )
        # The first try may have deleted it and lost the answer on the way.
        if not found or (found == [(True,)] and not retried):
            raise NotFoundError(f"thread {thread_id} not found")

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: StoreContext
    ) -> Page[ThreadItem]:
        """The thread's items in the order in which they were added."""
        values = keys(context, thread=thread_id, after=after) | {"limit": _one_more(limit)}
        page = _in_order(statements.ITEMS_PAGE, order)
        places, rows = await self._database.ask(values, statements.ITEM_EXISTED, page)
        if not places:
            raise NotFoundError(f"thread {thread_id} not found")
        if after is not None and places != [(True,)]:
            raise NotFoundError(f"item {after} not found")
        more = len(rows) > limit
        after = str(rows[limit - 1][1]) if more else None
        return Page(data=read_items(rows[:limit]), has_more=more, after=after)

    async def load_item(self, thread_id: str, item_id: str, context: StoreContext) -> ThreadItem:
        values = keys(context, thread=thread_id, item=item_id)
        [items] = await self._database.ask(values, statements.LOAD_ITEM)
        if not items:
            raise NotFoundError(f"item {item_id} not found")
        return read_item(items[0][0])

    async def add_thread_item(
        self, thread_id: str, item: ThreadItem, context: StoreContext
    ) -> None:
        """Add the item, or replace the one with its id where that stands.

        The SDK adds some items twice. `IdTakenError` when another thread has the id.
        """
        values = keys(context, thread=thread_id, item=item.id) | item_values(thread_id, item)
        held, added = await self._database.ask(values, statements.HOLD_THREAD, statements.PUT_ITEM)
        _check_held(held, thread_id)
        if not added:
            raise NotFoundError(f"item {item.id} was deleted")

    async def save_item(self, thread_id: str, item: ThreadItem, context: StoreContext) -> None:
        await self.add_thread_item(thread_id, item, context)

    async def delete_thread_item(self, thread_id: str, item_id: str, context: StoreContext) -> None:
        """Delete the item. An unknown one is no error: the SDK takes back what it only streamed."""
        values = keys(context, thread=thread_id, item=item_id)
        held, *_ = await self._database.ask(
            values,
            statements.HOLD_THREAD,
            statements.DELETE_ITEM,
            statements.DELETE_FEEDBACK,
            FORGET_ITEM,
        )
        _check_held(held, thread_id)

    async def add_feedback(
        self,
        thread_id: str,
        item_ids: Sequence[str],
        kind: FeedbackKind,
        *,
        context: StoreContext,
    ) -> None:
        """Keep the user's verdict on each item, in place of an earlier one.

        `NotFoundError` when any of the items is not there to be seen; none is rated then.
        """
        wanted = list(dict.fromkeys(item_ids))
        values = keys(context, thread=thread_id) | {
            "items": [keys(context, item=item_id)["item"] for item_id in wanted],
            "count": len(wanted),
            "kind": kind,
        }
        held, rows = await self._database.ask(
            values, statements.HOLD_THREAD, statements.ADD_FEEDBACK
        )
        if not held:
            raise NotFoundError(f"thread {thread_id} not found")
        visible = {item_id for (item_id,) in rows}
        for item_id in wanted:
            if item_id not in visible:
                raise NotFoundError(f"item {item_id} not found")


def _check_held(held: list[Row], thread_id: str) -> None:
    if not held:
        raise NotFoundError(f"thread {thread_id} not found")
    if held != [(True,)]:
        raise TurnLostError(f"a later turn has taken thread {thread_id}")


def _one_more(limit: int) -> int:
    if limit < 1:
        raise ValueError(f"limit is {limit}; it must be at least 1")
    # The row too many says that there is another page.
    return limit + 1


def _in_order(pages: Mapping[str, Composed], order: str) -> Composed:
    try:
        return pages[order]
    except KeyError:
        raise ValueError(f"order is {order!r}; it must be 'asc' or 'desc'") from None
