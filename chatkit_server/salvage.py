"""Brings to the store what the turns of a killed process had sent, and lets their threads go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from chatkit.types import (
    ClientToolCallItem,
    SDKHiddenContextItem,
    ThreadItem,
    ThreadItemRemovedEvent,
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
    UserMessageItem,
)
from pydantic import TypeAdapter, ValidationError

from .context import RequestContext
from .lease import INTERRUPTED, LEASE, TurnStore
from .record import Apply, Record, answers
from .trail import Left, Trails

logger = logging.getLogger("chatkit_server")

_EVENTS: Final = TypeAdapter[ThreadStreamEvent](ThreadStreamEvent)
_PAUSE = 2.0
_LONG_PAUSE = 60.0


class Salvage:
    """Looks for the files that dead processes have left.

    Args:
        trails: Where they are.
        store: Gets what is in them.
        apply: Brings an update into an item.
    """

    def __init__(self, trails: Trails, store: TurnStore, apply: Apply) -> None:
        self._trails = trails
        self._store = store
        self._apply = apply

    async def keep_looking(self) -> None:
        """At once, and every few seconds for those of other processes; ends when cancelled."""
        while True:
            await self._store.found_again()
            pause = _PAUSE
            try:
                await self.look()
            except Exception:
                # Whatever it is: without this task, nothing would be looked for any more.
                logger.exception("what killed processes have sent can't be looked at")
                pause = _LONG_PAUSE
            await asyncio.sleep(pause)

    async def look(self) -> None:
        """Store what is there, and drop it; what the store can't take now stays."""
        for left in self._trails.left():
            try:
                await self._store_turn(left)
            except ConnectionError as error:
                logger.debug("what a killed process has sent waits: %s", error)
                return
            except Exception:
                # It stays as its last checkpoint was.
                logger.exception("turn %s can't be stored", left.whose.turn_id)
            left.drop()

    async def _store_turn(self, left: Left) -> None:
        whose = left.whose
        record = Record()
        taken_back: set[str] = set()
        for event in _events(left):
            if isinstance(event, ThreadItemRemovedEvent):
                # A checkpoint may have stored it.
                taken_back.add(event.item_id)
            # Of an update to an item of an earlier turn, the item is not there.
            if not isinstance(event, ThreadItemUpdatedEvent) or record.knows(event.item_id):
                record.note(event, self._apply)
        record.close()
        items = [item for item in record.final()[0] if not isinstance(item, UserMessageItem)]
        context = RequestContext(whose.user_id)
        held = await self._store.checkpoint_turn(
            whose.turn_id,
            whose.thread_id,
            items=items,
            removed=sorted(taken_back.difference(item.id for item in items)),
            replace_after=whose.retry if any(map(answers, items)) else None,
            lease=LEASE,
            context=context,
        )
        if held is None:
            # It had ended, or somebody has asked again since: what they were told stands.
            return
        marker = SDKHiddenContextItem(
            id=f"shcx_cut_{whose.turn_id.removeprefix('turn_')}",
            thread_id=whose.thread_id,
            created_at=datetime.now(UTC),
            content=INTERRUPTED,
        )
        await self._store.finish_turn(
            whose.turn_id,
            whose.thread_id,
            # Not after a call of a tool, whose output has to follow it.
            items=[] if items and _awaits_output(items[-1]) else [marker],
            removed=(),
            replace_after=None,
            state="interrupted",
            changes={},
            default_title=None,
            gap=None,
            context=context,
        )
        logger.warning("turn %s of a killed process is kept as far as it was sent", whose.turn_id)


def _awaits_output(item: ThreadItem) -> bool:
    return isinstance(item, ClientToolCallItem) and item.status == "pending"


def _events(left: Left) -> Iterator[ThreadStreamEvent]:
    for frame in left.frames:
        try:
            yield _EVENTS.validate_json(frame.removeprefix(b"data: "))
        except ValidationError:
            logger.warning("turn %s: a frame can't be read", left.whose.turn_id)
