"""Turns that took place while the database was away, and are brought to it afterwards."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from chatkit.types import ThreadItem, ThreadMetadata, UserMessageItem

from chatkit_stores import statements
from chatkit_stores.attachments import SEND
from chatkit_stores.database import Database, Statement
from chatkit_stores.errors import IdTakenError
from chatkit_stores.rows import (
    StoreContext,
    changed_values,
    default_title_value,
    item_values,
    keys,
    thread_values,
)
from chatkit_stores.turns import TurnState
from chatkit_stores.unanswered import FORGET_REPLACED, keep_gap

Restored: TypeAlias = Literal["stored", "rejected", "unknown"]


class Restores:
    """The part of `PostgresStore` that takes turns late."""

    _database: Database

    async def restore_turn(
        self,
        turn_id: str,
        thread: ThreadMetadata | str,
        *,
        items: Sequence[ThreadItem] = (),
        removed: Sequence[str] = (),
        replace_after: str | None = None,
        state: TurnState = "completed",
        changes: Mapping[str, Any] = {},
        default_title: str | None = None,
        gap: Mapping[str, Any] | None = None,
        context: StoreContext,
    ) -> Restored:
        """Store what a turn has added to its thread, whether or not it held it, in one round trip.

        A thread that the turn has made is given by its metadata. To call it again changes nothing,
        and it may be called for parts of a turn, in their order. An answer comes beside its
        question, also where others were asked since. What was deleted stays deleted; `changes`,
        `state` and `replace_after` have no effect once a later turn has taken the thread. The
        arguments are those of `finish_turn`.

        Returns:
            "rejected" when any of the items was refused, since it or the thread was deleted or
            belongs to somebody else; "unknown" where there never was such a thread.
        """
        thread_id = thread if isinstance(thread, str) else thread.id
        columns = changed_values(changes)
        values = keys(context, thread=thread_id, retry=replace_after) | {
            "turn": turn_id,
            "state": state,
            "items": [item.id for item in items],
            "removed": list(removed),
        }
        flying: list[Statement] = []
        if not isinstance(thread, str):
            flying.append((statements.RESTORE_THREAD, values | thread_values(thread)))
        # Locks the thread for those that follow it, whichever turn it has.
        flying.append((statements.HOLD_THREAD, values))
        if replace_after is not None:
            flying.append((statements.REPLACE_ITEMS, values))
            flying.append((FORGET_REPLACED, values))
        for item in items:
            kept = values | item_values(thread_id, item)
            flying.append((statements.RESTORE_ITEM, kept))
            flying.append((statements.PLACE_RESTORED, kept))
            if isinstance(item, UserMessageItem) and item.attachments:
                sent = [attachment.id for attachment in item.attachments]
                flying.append((SEND, kept | {"attachments": sent}))
        try:
            flight = await self._database.fly(
                *flying,
                *keep_gap(gap, values, restored=True),
                (statements.REMOVE_RESTORED, values),
                (statements.RESTORE_TITLE, values | default_title_value(default_title)),
                (statements.finish_turn(columns, default_title=False), values | columns),
                (statements.THREAD_IS_DELETED, values),
                (statements.ID_IS_TAKEN, values),
                (statements.PRESENT_ITEMS, values),
            )
        except IdTakenError:
            return "rejected"
        found, taken, present = flight.rows[-3:]
        if not taken:
            return "unknown"
        return "stored" if found == [(False,)] and len(present) == len(items) else "rejected"
