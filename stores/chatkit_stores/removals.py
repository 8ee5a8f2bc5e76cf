"""Threads of a user or of an age: found, deleted in small batches, and forgotten for good."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from psycopg.sql import SQL

from chatkit_stores.database import Database
from chatkit_stores.rows import StoreContext, keys

# Longer than any journal keeps what was said, and than anybody pages on from a deleted thread.
KEPT_PLACE: Final = timedelta(days=30)
KEPT_ERASURE: Final = timedelta(days=3)
_BATCH: Final = 100
_WINDOW: Final = 2000

# By text, since functions of json refuse null bytes, which a message may have. The first of the
# name is the item's own: quotes in what comes before it are escaped.
_USED_AT: Final = SQL("""
    greatest(threads.created_at, (
        select substring(
            data::text from '"created_at":"([0-9]+-[0-9]+-[0-9]+T[0-9:.]+(?:Z|[+-][0-9:]+))"'
        )::timestamptz
        from chatkit.items where thread_id = threads.id and data is not null
        order by seq desc limit 1
    ))
""")

SELECTED: Final = SQL("""
    not threads.deleted
    and (%(owner)s::text is null or threads.user_id = %(owner)s)
    and (%(chosen)s::text[] is null or threads.id = any(%(chosen)s))
    and (%(age)s::interval is null or (
        threads.created_at < now() - %(age)s::interval
        and (threads.lease_until is null or threads.lease_until < clock_timestamp())
        and {used_at} < now() - %(age)s::interval
    ))
""").format(used_at=_USED_AT)

# Of so many threads at a time, so that no look takes long however few of them fit.
_LOOK: Final = SQL("""
    select max(id), coalesce(array_agg(id order by id) filter (where {selected}), '{{}}')
    from (
        select * from chatkit.threads
        where not deleted and id > %(after)s
        and (%(owner)s::text is null or user_id = %(owner)s)
        and (%(chosen)s::text[] is null or id = any(%(chosen)s))
        order by id limit %(window)s
    ) as threads
""").format(selected=SELECTED)

# In the order of their ids, so that two servers don't wait for each other.
_DELETE: Final = SQL("""
    update chatkit.threads set
        deleted = true, deleted_at = now(), title = null, status = 'active', status_reason = null,
        allowed_image_domains = null, metadata = '{{}}', turn_id = null, lease_until = null,
        turn_state = null, stop_turn = null,
        user_id = case when %(anonymous)s then '' else threads.user_id end
    from (
        select id from chatkit.threads where id = any(%(found)s) and {selected}
        order by id for no key update
    ) as held
    where threads.id = held.id
    returning threads.id
""").format(selected=SELECTED)

# Statements of their own, behind the locks: an item that was just being added is seen here.
_DELETE_ITEMS: Final = SQL("""
    delete from chatkit.items using chatkit.threads
    where items.thread_id = threads.id and threads.id = any(%(found)s) and threads.deleted
""")
_DELETE_ATTACHMENTS: Final = SQL("""
    delete from chatkit.attachments using chatkit.threads
    where attachments.thread_id = threads.id and threads.id = any(%(found)s) and threads.deleted
    and (%(owner)s::text is null or attachments.user_id = %(owner)s) and upload is null
""")
_CONDEMN_ATTACHMENTS: Final = SQL("""
    update chatkit.attachments set deleted = true, data = 'null'
    from chatkit.threads
    where attachments.thread_id = threads.id and threads.id = any(%(found)s) and threads.deleted
    and (%(owner)s::text is null or attachments.user_id = %(owner)s) and not attachments.deleted
""")

_SUMMARIES: Final = SQL("""
    select threads.id, threads.user_id, threads.created_at, {used_at}, threads.title, (
        select count(*) from chatkit.items
        where thread_id = threads.id and data is not null
        and kind not in ('hidden_context_item', 'sdk_hidden_context')
    )
    from chatkit.threads where not deleted and id = any(%(found)s) order by seq
""").format(used_at=_USED_AT)

_COUNT: Final = SQL("""
    select count(*), count(distinct user_id), min(created_at) from chatkit.threads
    where not deleted
""")

_ERASE: Final = SQL("""
    insert into chatkit.erasures (user_id) values (%(user)s)
    on conflict (user_id) do update set erased_at = now()
""")
# As in _DELETE, and as the message is sent that carries them.
_HOLD_DELETED: Final = SQL("""
    select 1 from chatkit.threads where user_id = %(user)s and deleted
    order by id for no key update
""")
_HOLD_ATTACHMENTS: Final = SQL("""
    select 1 from chatkit.attachments
    where user_id = %(user)s and (upload is null or not deleted)
    order by id for update
""")
_FORGET_NAME: Final = SQL("""
    update chatkit.threads set user_id = '' where user_id = %(user)s and deleted
""")
_DELETE_UNSENT: Final = SQL("""
    delete from chatkit.attachments where user_id = %(user)s and upload is null
""")
_CONDEMN_ALL: Final = SQL("""
    update chatkit.attachments set deleted = true, data = 'null'
    where user_id = %(user)s and not deleted
""")
# Not today's, which a daily limit counts.
_FORGET_USAGE: Final = SQL("""
    delete from chatkit.usage
    where user_id = %(user)s and day < (now() at time zone 'utc')::date
""")

_DATE_DELETED: Final = SQL("""
    update chatkit.threads set deleted_at = now() where id in (
        select id from chatkit.threads where deleted and deleted_at is null
        order by id limit %(limit)s for update skip locked
    )
    returning id
""")
_FORGET_DELETED: Final = SQL("""
    delete from chatkit.threads where id in (
        select id from chatkit.threads
        where deleted and deleted_at < now() - %(kept)s::interval
        order by id limit %(limit)s for update skip locked
    )
    returning id
""")
_FORGET_ERASED_USAGE: Final = SQL("""
    delete from chatkit.usage using chatkit.erasures
    where usage.user_id = erasures.user_id and day < (now() at time zone 'utc')::date
""")
_FORGET_ERASURES: Final = SQL("""
    delete from chatkit.erasures where erased_at < now() - %(kept)s::interval
""")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which threads: those that everything fits that is given."""

    user_id: str | None = None
    thread_ids: Sequence[str] | None = None
    unused_for: timedelta | None = None
    """Nothing was added for so long, and no answer is being written."""

    @classmethod
    def of_user(cls, context: StoreContext) -> Self:
        """All of one user's; `ValueError` where the context names none: that would be all users."""
        if not context.user_id:
            raise ValueError("the context names no user")
        return cls(user_id=context.user_id)

    @property
    def values(self) -> dict[str, object]:
        chosen = None if self.thread_ids is None else list(self.thread_ids)
        return {"owner": self.user_id, "chosen": chosen, "age": self.unused_for}


@dataclass(frozen=True, slots=True)
class ThreadSummary:
    id: str
    user_id: str
    created_at: datetime
    used_at: datetime
    """When something was added last."""
    title: str | None
    items: int
    """Without those that readers don't see."""


@dataclass(frozen=True, slots=True)
class ThreadCount:
    threads: int
    users: int
    oldest: datetime | None


class Removals:
    """The part of `PostgresStore` that takes no context: for who runs the site, and its nights."""

    _database: Database

    async def count_threads(self) -> ThreadCount:
        """All that there are."""
        [[row]] = await self._database.ask({}, _COUNT)
        return ThreadCount(*row)

    async def find_threads(
        self, selection: Selection, *, window: int = _WINDOW
    ) -> AsyncIterator[list[str]]:
        """Their ids, some at a time, in no order that means anything; an empty list now and then.

        Args:
            selection: Which.
            window: How many threads are looked at for each list.
        """
        values = {**selection.values, "window": window}
        after: str | None = ""
        while True:
            [[(after, found)]] = await self._database.ask({**values, "after": after}, _LOOK)
            if after is None:
                return
            yield found

    async def load_summaries(self, thread_ids: Sequence[str]) -> list[ThreadSummary]:
        """In the order in which they were made."""
        [rows] = await self._database.ask({"found": list(thread_ids)}, _SUMMARIES)
        return [ThreadSummary(*row) for row in rows]

    async def delete_threads(
        self, selection: Selection, *, anonymous: bool = False, pause: float = 0.0
    ) -> AsyncIterator[int]:
        """Delete with all that belongs to them, a hundred at a time; gives how many each time.

        What is there of attached files is marked: see `condemned_attachments`. A turn that runs in
        such a thread ends at its next checkpoint.

        Args:
            selection: Which; checked again at each thread's turn.
            anonymous: Whether the places that they keep forget whose they were.
            pause: Seconds between two batches, for others.
        """
        values = {**selection.values, "anonymous": anonymous}
        async for found in self.find_threads(selection):
            # Also where nothing is found: whoever counts has a lease to keep.
            for start in range(0, len(found) or 1, _BATCH):
                deleted, *_ = await self._database.ask(
                    {**values, "found": found[start : start + _BATCH]},
                    _DELETE,
                    _DELETE_ITEMS,
                    _DELETE_ATTACHMENTS,
                    _CONDEMN_ATTACHMENTS,
                )
                yield len(deleted)
                await asyncio.sleep(pause)

    def delete_unused(self, days: int, *, pause: float = 0.0) -> AsyncIterator[int]:
        """Delete what nobody has used for so many days, as `delete_threads` does."""
        return self.delete_threads(Selection(unused_for=timedelta(days=days)), pause=pause)

    async def erase_user(self, *, context: StoreContext) -> int:
        """Delete everything of a user, whatever runs or waits in a journal; how many threads.

        What remains is today's count of tokens, and for a month the ids of the threads, which
        name nobody.
        """
        selection = Selection.of_user(context)
        values = keys(context)
        # First, so that nothing that was said before comes in behind our back.
        await self._database.ask(values, _ERASE)
        deleted = 0
        # Once more, for what was being written when we looked.
        for _ in range(2):
            async for count in self.delete_threads(selection, anonymous=True):
                deleted += count
        await self._database.ask(
            values,
            _HOLD_DELETED,
            _FORGET_NAME,
            _HOLD_ATTACHMENTS,
            _DELETE_UNSENT,
            _CONDEMN_ALL,
            _FORGET_USAGE,
        )
        return deleted

    async def forget_deleted(self) -> int:
        """Remove the places of threads that were deleted a month ago, and old erasures."""
        await self._database.ask({"kept": KEPT_ERASURE}, _FORGET_ERASED_USAGE, _FORGET_ERASURES)
        await self._repeat(_DATE_DELETED)
        return await self._repeat(_FORGET_DELETED)

    async def _repeat(self, statement: SQL) -> int:
        """A batch at a time, so that no statement takes longer than it may; how many rows."""
        values = {"kept": KEPT_PLACE, "limit": _BATCH}
        done = 0
        while True:
            [rows] = await self._database.ask(values, statement)
            done += len(rows)
            if len(rows) < _BATCH:
                return done
