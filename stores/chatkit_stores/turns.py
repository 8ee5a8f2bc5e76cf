"""One turn in two round trips: it holds its thread from the user's message to the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from chatkit.store import NotFoundError
from chatkit.types import ThreadItem, ThreadMetadata, UserMessageItem

from chatkit_stores import statements
from chatkit_stores.attachments import SEND
from chatkit_stores.database import Database, Statement
from chatkit_stores.rows import (
    StoreContext,
    changed_values,
    default_title_value,
    item_values,
    keys,
    read_item,
    read_thread,
    thread_values,
)


@dataclass(frozen=True, slots=True)
class TurnStart:
    thread: ThreadMetadata
    items: list[ThreadItem]
    """The newest ones, oldest first, with the user's message."""
    refusal: Literal["busy", "locked", "closed"] | None
    """Why the thread was not taken; nothing was written then."""


class Turns:
    """The part of `PostgresStore` that the SDK does not know: one turn at a time on a thread.

    A turn holds its thread by a lease, which ends by itself when the server dies.
    """

    _database: Database

    async def begin_turn(
        self,
        turn_id: str,
        thread: ThreadMetadata | str,
        message: UserMessageItem | None,
        *,
        history: int = 60,
        lease: float = 15.0,
        context: StoreContext,
    ) -> TurnStart:
        """Take the thread, store the message and read the newest items, in one round trip.

        A new thread is given by its metadata, an existing one by its id. To call it again with
        the same ids changes nothing.
        """
        thread_id = thread if isinstance(thread, str) else thread.id
        values = keys(context, thread=thread_id, turn=turn_id) | {
            "lease": lease,
            "history": history,
        }
        take: Statement = (statements.LEASE, values)
        if not isinstance(thread, str):
            take = (statements.CREATE_LEASED, values | thread_values(thread))
        put: list[Statement] = []
        if message is not None:
            put = [(statements.PUT_MESSAGE, values | item_values(thread_id, message))]
            if sent := [attachment.id for attachment in message.attachments]:
                put.append((SEND, values | {"item": message.id, "attachments": sent}))
        flight = await self._database.fly(
            take, *put, (statements.HISTORY, values), (statements.LOAD_THREAD, values)
        )
        taken, *stored, items, threads = flight.rows
        if not threads:
            raise NotFoundError(f"thread {thread_id} not found")
        if taken and message is not None and not stored[0]:
            raise NotFoundError(f"item {message.id} was deleted")
        found = read_thread(threads[0])
        refusal: Literal["busy", "locked", "closed"] | None = None
        if not taken:
            refusal = "busy" if found.status.type == "active" else found.status.type
        return TurnStart(found, [read_item(data) for (data,) in reversed(items)], refusal)

    async def renew_turn(
        self, turn_id: str, thread_id: str, *, lease: float = 15.0, context: StoreContext
    ) -> bool:
        """Hold the thread longer; False when it is gone, finished or taken by a later turn."""
        values = keys(context, thread=thread_id, turn=turn_id) | {"lease": lease}
        return bool((await self._database.ask(values, statements.RENEW))[0])

    async def finish_turn(
        self,
        turn_id: str,
        thread_id: str,
        *,
        items: Sequence[ThreadItem] = (),
        changes: Mapping[str, Any] = {},
        default_title: str | None = None,
        context: StoreContext,
    ) -> ThreadMetadata | None:
        """Store the items and the thread's changed fields and let the thread go, in one round trip.

        `default_title` is for a thread that has none by now: a rename during the turn stays.

        All or nothing: None, and nothing written, when a later turn has taken the thread or it
        is gone. An item that was deleted meanwhile stays deleted.
        """
        columns = changed_values(changes)
        values = keys(context, thread=thread_id, turn=turn_id)
        flight = await self._database.fly(
            (statements.HOLD, values),
            *((statements.PUT_ANSWER, values | item_values(thread_id, item)) for item in items),
            (
                statements.finish_turn(columns, default_title="title" not in columns),
                values | columns | default_title_value(default_title),
            ),
        )
        finished = flight.rows[-1]
        return read_thread(finished[0]) if finished else None
