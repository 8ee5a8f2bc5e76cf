"""One turn in two round trips: it holds its thread from the user's message to the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from chatkit.store import NotFoundError
from chatkit.types import ThreadItem, ThreadMetadata, UserMessageItem

from chatkit_stores import statements
from chatkit_stores.answering import ANSWERING, Answering, read_answering
from chatkit_stores.attachments import SEND
from chatkit_stores.database import Database, Statement
from chatkit_stores.rows import (
    StoreContext,
    changed_values,
    default_title_value,
    item_values,
    keys,
    read_items,
    read_thread,
    thread_values,
)
from chatkit_stores.unanswered import FORGET_REPLACED, keep_gap

# How often a connection of a pool that is full is asked for, five seconds each. Whoever asks may be
# told to come again; what was answered would be lost.
_TRIES_TO_BEGIN: Final = 3
_TRIES_TO_FINISH: Final = 6

TurnState: TypeAlias = Literal["running", "completed", "stopped", "interrupted", "failed"]


@dataclass(frozen=True, slots=True)
class TurnStart:
    thread: ThreadMetadata
    items: list[ThreadItem]
    """The newest ones, oldest first, with the user's message; of a retry, up to its message."""
    refusal: Literal["busy", "locked", "closed", "not_a_message", "off"] | None
    """Why the thread was not taken; nothing was written then."""
    answering: Answering
    before: TurnState | None = None
    """How the turn before it ended; None where there was none, or it is not known."""


@dataclass(frozen=True, slots=True)
class TurnView:
    """The last turn of a thread, as far as it is stored."""

    turn_id: str | None
    state: TurnState | None
    """None where the thread never had a turn."""
    items: list[ThreadItem]
    """What the turn has added, oldest first: the user's message, what is there of the answer."""
    replaced: list[str]
    """Of a retry: the items that go when it ends with a new answer, or are gone by now."""


class Turns:
    """The part of `PostgresStore` that the SDK does not know: one turn at a time on a thread.

    A turn holds its thread by a lease, which ends by itself when the server dies. Whatever the
    turn writes it writes only while it holds the thread: a process that was paused for longer than
    its lease finds that a later turn has taken over, and writes nothing.
    """

    _database: Database

    async def begin_turn(
        self,
        turn_id: str,
        thread: ThreadMetadata | str,
        message: UserMessageItem | None,
        *,
        retry: str | None = None,
        interruption: ThreadItem | None = None,
        history: int = 60,
        lease: float = 10.0,
        context: StoreContext,
    ) -> TurnStart:
        """Take the thread, store the message and read the newest items, in one round trip.

        A new thread is given by its metadata, an existing one by its id. To call it again with
        the same ids changes nothing.

        Args:
            turn_id: Of the new turn.
            thread: Where it takes place.
            message: The user's; None where the turn answers something else.
            retry: The message that is answered anew; what came after it stays until the turn
                finishes.
            interruption: Added before the message when the last turn's server has died.
            history: How many items to read.
            lease: Seconds that the thread is held.
            context: Whose thread it is.
        """
        thread_id = thread if isinstance(thread, str) else thread.id
        values = keys(context, thread=thread_id, turn=turn_id, retry=retry) | {
            "lease": lease,
            "history": history,
        }
        flying: list[Statement] = []
        if interruption is not None:
            closing = values | item_values(thread_id, interruption)
            flying.append((statements.CLOSE_INTERRUPTED, closing))
        before = len(flying)
        if retry is not None:
            flying.append((statements.LEASE_FOR_RETRY, values))
        elif isinstance(thread, str):
            flying.append((statements.LEASE, values))
        else:
            flying.append((statements.CREATE_LEASED, values | thread_values(thread)))
        if message is not None:
            flying.append((statements.PUT_MESSAGE, values | item_values(thread_id, message)))
            if sent := [attachment.id for attachment in message.attachments]:
                flying.append((SEND, values | {"item": message.id, "attachments": sent}))
        flight = await self._database.fly(
            *flying,
            (statements.HISTORY_UNTIL_RETRIED if retry else statements.HISTORY, values),
            (statements.RETRIED, values),
            (statements.LOAD_THREAD, values),
            (ANSWERING, values),
            tries=_TRIES_TO_BEGIN,
        )
        taken, *stored, items, retried, threads, switch = flight.rows[before:]
        answering = read_answering(switch)
        if answering.mode == "off" and not taken:
            # Before whose thread it is: nobody is told anything but this.
            now = datetime.now(UTC)
            blank = ThreadMetadata(id=thread_id, created_at=now)
            return TurnStart(blank, [], "off", answering)
        if not threads:
            raise NotFoundError(f"thread {thread_id} not found")
        ended: TurnState | None = taken[0][0] if taken else None
        missing = None
        if taken and message is not None and not stored[0]:
            missing = f"item {message.id} was deleted"
        elif retry is not None and not retried:
            missing = f"item {retry} not found"
        if missing is not None:
            if taken:
                # It went while this turn waited for the one that took it away.
                await self.finish_turn(
                    turn_id, thread_id, state=ended or "completed", context=context
                )
            raise NotFoundError(missing)
        found = read_thread(threads[0])
        refusal: Literal["busy", "locked", "closed", "not_a_message"] | None = None
        if not taken:
            refusal = "busy" if found.status.type == "active" else found.status.type
            if retry is not None and retried != [("user_message",)]:
                refusal = "not_a_message"
        before_turn = read_items(reversed(items))
        return TurnStart(found, before_turn, refusal, answering, ended)

    async def checkpoint_turn(
        self,
        turn_id: str,
        thread_id: str,
        *,
        items: Sequence[ThreadItem] = (),
        removed: Sequence[str] = (),
        replace_after: str | None = None,
        lease: float = 10.0,
        context: StoreContext,
    ) -> Literal["running", "followed", "stopping"] | None:
        """Store what there is of the answer and hold the thread longer, in one round trip.

        `replace_after` is for a retry that has something new by now; see `finish_turn`. A server
        that dies after it leaves one answer, and not two.

        Returns:
            "followed" while somebody reads the turn by `load_turn`; "stopping" when the turn was
            asked to stop, or all of them were; None, and nothing written, when the thread is gone,
            or the turn has finished or lost the thread to a later one.
        """
        values = keys(context, thread=thread_id, turn=turn_id, retry=replace_after)
        values |= {"lease": lease}
        replacing = replace_after is not None
        replaced = [(statements.REPLACE_AT_CHECKPOINT, values)] if replacing else []
        flight = await self._database.fly(
            (statements.RENEW, values),
            *replaced,
            *((statements.PUT_CHECKPOINT, values | item_values(thread_id, item)) for item in items),
            (statements.REMOVE_AT_CHECKPOINT, values | {"removed": list(removed)}),
        )
        if not flight.rows[0]:
            return None
        [(stopping, followed)] = flight.rows[0]
        return "stopping" if stopping else "followed" if followed else "running"

    async def finish_turn(
        self,
        turn_id: str,
        thread_id: str,
        *,
        items: Sequence[ThreadItem] = (),
        removed: Sequence[str] = (),
        replace_after: str | None = None,
        state: TurnState = "completed",
        changes: Mapping[str, Any] = {},
        default_title: str | None = None,
        gap: Mapping[str, Any] | None = None,
        context: StoreContext,
    ) -> ThreadMetadata | None:
        """Store the items and the thread's changed fields and let the thread go, in one round trip.

        All or nothing: None, and nothing written, when a later turn has taken the thread or it
        is gone. An item that was deleted meanwhile stays deleted.

        Args:
            turn_id: Of the turn that ends.
            thread_id: Where it took place.
            items: What it has added or changed, in their order.
            removed: Items that a checkpoint has stored and the turn has taken back since.
            replace_after: The message that was retried; all that other turns have added after it
                goes.
            state: How the turn ended.
            changes: Fields of the thread.
            default_title: For a thread that has none by now: a rename during the turn stays.
            gap: What is kept of a question that the docs did not answer; see `keep_gap`.
            context: Whose thread it is.
        """
        columns = changed_values(changes)
        values = keys(context, thread=thread_id, turn=turn_id, retry=replace_after)
        first: list[Statement] = [(statements.HOLD, values)]
        if replace_after is not None:
            first.append((statements.REPLACE_ITEMS, values))
            first.append((FORGET_REPLACED, values))
        flight = await self._database.fly(
            *first,
            *((statements.PUT_ANSWER, values | item_values(thread_id, item)) for item in items),
            (statements.REMOVE_AT_END, values | {"removed": list(removed)}),
            *keep_gap(gap, values),
            (
                statements.finish_turn(columns, default_title="title" not in columns),
                values | columns | default_title_value(default_title) | {"state": state},
            ),
            tries=_TRIES_TO_FINISH,
        )
        finished = flight.rows[-1]
        return read_thread(finished[0]) if finished else None

    async def stop_turn(self, thread_id: str, *, context: StoreContext) -> str | None:
        """Ask the turn that runs on the thread to stop, wherever it runs: its next checkpoint does.

        Returns:
            Its id, or None where none is running.
        """
        values = keys(context, thread=thread_id)
        asked, threads = await self._database.ask(values, statements.STOP, statements.LOAD_THREAD)
        if not threads:
            raise NotFoundError(f"thread {thread_id} not found")
        return str(asked[0][0]) if asked else None

    async def load_turn(
        self,
        thread_id: str,
        turn_id: str | None = None,
        *,
        history: int = 60,
        follow: bool = False,
        context: StoreContext,
    ) -> TurnView:
        """The thread's last turn, and its newest items as of its last checkpoint.

        With `turn_id` the items are those of that turn, though a later one may be the last. With
        `follow` the turn learns that somebody reads it, for the next ten seconds.
        """
        values = keys(context, thread=thread_id) | {"history": history, "asked": turn_id}
        told = [statements.FOLLOW] if follow else []
        turns, items, replaced, *_ = await self._database.ask(
            values, statements.LOAD_TURN, statements.TURN_ITEMS, statements.REPLACED, *told
        )
        if not turns:
            raise NotFoundError(f"thread {thread_id} not found")
        [(last, state)] = turns
        return TurnView(last, state, read_items(reversed(items)), [id_ for (id_,) in replaced])
