"""Holds a thread for one turn: taken with the first round trip, given back with the last."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from chatkit.types import FeedbackKind, ThreadItem, ThreadMetadata, UserMessageItem

from .context import RequestContext
from .errors import RequestError
from .turn import Turn

logger = logging.getLogger("chatkit_server")

HISTORY = 60
"""Newest items that the first round trip brings along."""
LEASE = 15.0
"""Seconds that a turn keeps its thread without renewing."""
_REFUSALS = {
    "busy": "Another answer is being written in this chat. Try again in a moment.",
    "locked": "This chat is locked.",
    "closed": "This chat is closed. Start a new one.",
}


class TurnStart(Protocol):
    """What the first round trip of a turn brings."""

    @property
    def thread(self) -> ThreadMetadata: ...
    @property
    def items(self) -> list[ThreadItem]: ...
    @property
    def refusal(self) -> Literal["busy", "locked", "closed"] | None: ...


class TurnStore(Protocol):
    """What a turn asks of the store beside `chatkit.store.Store`; one round trip each."""

    async def begin_turn(
        self,
        turn_id: str,
        thread: ThreadMetadata | str,
        message: UserMessageItem | None,
        *,
        history: int,
        lease: float,
        context: Any,
    ) -> TurnStart: ...

    async def renew_turn(
        self, turn_id: str, thread_id: str, *, lease: float, context: Any
    ) -> bool: ...

    async def finish_turn(
        self,
        turn_id: str,
        thread_id: str,
        *,
        items: Sequence[ThreadItem],
        changes: Mapping[str, Any],
        default_title: str | None,
        context: Any,
    ) -> ThreadMetadata | None: ...

    async def update_thread(
        self, thread_id: str, changes: Mapping[str, Any], *, context: Any
    ) -> ThreadMetadata: ...

    async def add_feedback(
        self, thread_id: str, item_ids: Sequence[str], kind: FeedbackKind, *, context: Any
    ) -> None: ...


class Lease:
    """Gives what the first round trip brought, or raises RequestError with 409."""

    def __init__(
        self,
        store: TurnStore,
        turns: dict[str, Turn],
        turn: Turn,
        thread: ThreadMetadata | str,
        message: UserMessageItem | None,
        context: RequestContext,
    ) -> None:
        self._store = store
        self._turns = turns
        self._turn = turn
        self._thread = thread
        self._message = message
        self._context = context
        self._renewal: asyncio.Task[None] | None = None

    async def __aenter__(self) -> TurnStart:
        turn = self._turn
        thread_id = self._thread if isinstance(self._thread, str) else self._thread.id
        running = self._turns.get(thread_id)
        if running is not None and running.hung_up:
            # Stop, then send at once: what was stopped is stored first, so that it comes first.
            await running.done.wait()
        start = await self._store.begin_turn(
            turn.id,
            self._thread,
            self._message,
            history=HISTORY,
            lease=LEASE,
            context=self._context,
        )
        if start.refusal is not None:
            retry = int(LEASE) // 3 if start.refusal == "busy" else None
            raise RequestError(409, start.refusal, _REFUSALS[start.refusal], retry_after=retry)
        turn.thread_id = thread_id
        turn.mark("store")
        self._turns[thread_id] = turn
        self._renewal = asyncio.create_task(self._renew(thread_id))
        return start

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
        turn = self._turn
        if not turn.finished and turn.thread_id is not None:
            turn.finished = True
            try:
                await self._store.finish_turn(
                    turn.id,
                    turn.thread_id,
                    items=(),
                    changes={},
                    default_title=None,
                    context=self._context,
                )
            except ConnectionError as fault:
                logger.warning("lease of turn %s could not be given back: %s", turn.id, fault)

    async def _renew(self, thread_id: str) -> None:
        while True:
            await asyncio.sleep(LEASE / 3)
            try:
                kept = await self._store.renew_turn(
                    self._turn.id, thread_id, lease=LEASE, context=self._context
                )
            except ConnectionError as error:
                logger.warning("lease of turn %s could not be renewed: %s", self._turn.id, error)
                continue
            if not kept:
                self._turn.hang_up()
                return
