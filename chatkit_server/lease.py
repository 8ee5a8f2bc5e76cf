"""Holds a thread for one turn: taken with the first round trip, given back with the last."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from chatkit.store import NotFoundError
from chatkit.types import (
    FeedbackKind,
    SDKHiddenContextItem,
    ThreadItem,
    ThreadMetadata,
    UserMessageItem,
)

from .context import RequestContext
from .errors import RequestError, invalid
from .record import answers, title_of
from .trail import Trails, Whose
from .turn import Turn

logger = logging.getLogger("chatkit_server")

HISTORY = 60
"""Newest items that the first round trip brings along."""
LEASE = 10.0
"""Seconds that a turn keeps its thread without a checkpoint."""
CHECKPOINT = 1.5
"""Seconds between checkpoints: what a killed server had sent is stored to within two seconds."""
INTERRUPTED = "This answer was cut off by a fault of the server. It is incomplete."
_REFUSALS = {
    "busy": "Another answer is being written in this chat. Try again in a moment.",
    "locked": "This chat is locked.",
    "closed": "This chat is closed. Start a new one.",
}
State = Literal["running", "completed", "stopped", "interrupted", "failed"]


class Answering(Protocol):
    """The switch of the whole site, and what was used up today."""

    @property
    def mode(self) -> Literal["on", "quotes", "off"]: ...
    @property
    def message(self) -> str | None: ...
    @property
    def user_tokens(self) -> int: ...
    @property
    def tokens(self) -> int: ...


class TurnStart(Protocol):
    """What the first round trip of a turn brings."""

    @property
    def thread(self) -> ThreadMetadata: ...
    @property
    def items(self) -> list[ThreadItem]: ...
    @property
    def refusal(self) -> Literal["busy", "locked", "closed", "not_a_message", "off"] | None: ...
    @property
    def answering(self) -> Answering | None:
        """None where the store could not be asked."""

    @property
    def before(self) -> State | None:
        """How the turn before it ended."""


class TurnView(Protocol):
    """The last turn of a thread, as it is stored."""

    @property
    def turn_id(self) -> str | None: ...
    @property
    def state(self) -> State | None: ...
    @property
    def items(self) -> list[ThreadItem]: ...
    @property
    def replaced(self) -> list[str]: ...


class TurnStore(Protocol):
    """What a turn asks of the store beside `chatkit.store.Store`; one round trip each.

    `chatkit_stores.turns.Turns` says what each does. All raise ConnectionError while the store
    can't be reached; one whose `is_crowded` is true, where it only has too much to do.
    """

    async def begin_turn(
        self,
        turn_id: str,
        thread: ThreadMetadata | str,
        message: UserMessageItem | None,
        *,
        retry: str | None,
        interruption: ThreadItem | None,
        history: int,
        lease: float,
        context: Any,
    ) -> TurnStart: ...

    async def checkpoint_turn(
        self,
        turn_id: str,
        thread_id: str,
        *,
        items: Sequence[ThreadItem],
        removed: Sequence[str],
        replace_after: str | None,
        lease: float,
        context: Any,
    ) -> Literal["running", "followed", "stopping"] | None: ...

    async def finish_turn(
        self,
        turn_id: str,
        thread_id: str,
        *,
        items: Sequence[ThreadItem],
        removed: Sequence[str],
        replace_after: str | None,
        state: State,
        changes: Mapping[str, Any],
        default_title: str | None,
        gap: Mapping[str, Any] | None,
        context: Any,
    ) -> ThreadMetadata | None: ...

    async def add_usage(self, tokens: Mapping[str, int]) -> None: ...

    async def stop_turn(self, thread_id: str, *, context: Any) -> str | None: ...

    async def load_turn(
        self, thread_id: str, turn_id: str | None, *, history: int, follow: bool, context: Any
    ) -> TurnView: ...

    async def restore_turn(
        self,
        turn_id: str,
        thread: ThreadMetadata | str,
        *,
        items: Sequence[ThreadItem],
        removed: Sequence[str],
        replace_after: str | None,
        state: State,
        changes: Mapping[str, Any],
        default_title: str | None,
        gap: Mapping[str, Any] | None,
        context: Any,
    ) -> Literal["stored", "rejected", "unknown"]: ...

    async def found_again(self) -> None: ...

    async def update_thread(
        self, thread_id: str, changes: Mapping[str, Any], *, context: Any
    ) -> ThreadMetadata: ...

    async def add_feedback(
        self, thread_id: str, item_ids: Sequence[str], kind: FeedbackKind, *, context: Any
    ) -> None: ...


class Lease:
    """Gives what the first round trip brought, or raises RequestError with 409 or 503.

    While it is held, checkpoints store what there is of the answer, beside the turn and not in
    its way.
    """

    def __init__(
        self,
        store: TurnStore,
        turns: dict[str, Turn],
        turn: Turn,
        thread: ThreadMetadata | str,
        message: UserMessageItem | None,
        context: RequestContext,
        judge: Callable[[TurnStart, str], str | None],
        trails: Trails | None = None,
    ) -> None:
        self._trails = trails
        self._judge = judge
        self._store = store
        self._turns = turns
        self._turn = turn
        self._thread = thread
        self._message = message
        self._context = context
        self._over = asyncio.Event()
        self._checkpoints: asyncio.Task[None] | None = None
        self._storing = asyncio.Lock()
        self._storable = True
        self._before: State | None = None

    async def __aenter__(self) -> TurnStart:
        turn = self._turn
        thread_id = self._thread if isinstance(self._thread, str) else self._thread.id
        running = self._turns.get(thread_id)
        if running is not None and running.hung_up:
            # Stop, then send at once: what was stopped is stored first, so that it comes first.
            await running.done.wait()
        answers_anew = self._message is not None or turn.retry is not None
        start = await self._store.begin_turn(
            turn.id,
            self._thread,
            self._message,
            retry=turn.retry,
            # Not after a call of a tool, whose output has to follow it.
            interruption=self._interruption(thread_id) if answers_anew else None,
            history=HISTORY,
            lease=LEASE,
            context=self._context,
        )
        turn.quotes = self._judge(start, self._context.user_id)
        if start.refusal == "not_a_message":
            raise invalid("Only a message of the user can be retried.")
        if start.refusal == "busy" and turn.retry is not None:
            await self._stop_the_other(thread_id)
            raise RequestError(
                409,
                "busy",
                "Another answer was being written in this chat. It is being stopped: try again.",
                retry_after=1,
            )
        if start.refusal is not None:
            retry = 3 if start.refusal == "busy" else None
            raise RequestError(409, start.refusal, _REFUSALS[start.refusal], retry_after=retry)
        self._before = start.before
        turn.thread_id = thread_id
        turn.message = self._message
        turn.thread = start.thread
        turn.title = title_of(start.items)
        turn.mark("store")
        if self._trails is not None and not turn.away:
            whose = Whose(
                turn_id=turn.id,
                thread_id=thread_id,
                user_id=self._context.user_id,
                retry=turn.retry,
            )
            turn.trail = self._trails.begin(whose)
        turn.save = lambda: self._checkpoint(thread_id)
        if running is None or running.done.is_set() or running.user_id == turn.user_id:
            # Without the database nobody knows whose thread it is; the first one keeps it.
            self._turns[thread_id] = turn
        self._checkpoints = asyncio.create_task(self._store_checkpoints(thread_id))
        return start

    def _interruption(self, thread_id: str) -> SDKHiddenContextItem:
        return SDKHiddenContextItem(
            # One for each turn, so that a second try adds no second one.
            id=f"shcx_{self._turn.id.removeprefix('turn_')}",
            thread_id=thread_id,
            created_at=datetime.now(UTC),
            content=INTERRUPTED,
        )

    async def _stop_the_other(self, thread_id: str) -> None:
        running = self._turns.get(thread_id)
        if running is not None and running.user_id == self._context.user_id:
            running.hang_up("stopped")
        else:
            await self._store.stop_turn(thread_id, context=self._context)

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        turn = self._turn
        self._over.set()
        if not turn.finished and turn.thread_id is not None:
            turn.finished = True
            try:
                await self._store.finish_turn(
                    turn.id,
                    turn.thread_id,
                    items=(),
                    removed=(),
                    replace_after=None,
                    state=self._state_after(error),
                    changes={},
                    default_title=None,
                    gap=None,
                    context=self._context,
                )
            except ConnectionError as fault:
                logger.warning("lease of turn %s could not be given back: %s", turn.id, fault)
        if turn.trail is not None:
            turn.trail.end()
        if self._checkpoints is not None:
            # Never cancelled: that would cost the connection that it is using.
            await self._checkpoints

    def _state_after(self, error: BaseException | None) -> State:
        if isinstance(error, RequestError | NotFoundError):
            # Refused: as if it had not been.
            return self._before or "completed"
        return "completed" if error is None else "failed"

    async def _store_checkpoints(self, thread_id: str) -> None:
        while not await self._over_within(CHECKPOINT):
            await self._checkpoint(thread_id)

    async def _checkpoint(self, thread_id: str) -> None:
        turn = self._turn
        # One at a time: an older one that arrives later would bring a partial answer back.
        async with self._storing:
            if turn.finished or turn.reason == "lost":
                return
            items, removed = turn.record.checkpoint() if self._storable else ([], [])
            try:
                state = await self._store.checkpoint_turn(
                    turn.id,
                    thread_id,
                    items=items,
                    removed=removed,
                    replace_after=turn.retry if any(map(answers, items)) else None,
                    lease=LEASE,
                    context=self._context,
                )
            except ConnectionError as error:
                turn.record.not_stored(items)
                logger.warning("turn %s could not be checkpointed: %s", turn.id, error)
                return
            except Exception:
                # An item that can't be stored; from now on, the thread is only held.
                self._storable = False
                turn.record.not_stored(items)
                logger.exception("turn %s could not be checkpointed", turn.id)
                return
        if turn.finished:
            return
        turn.followed = state == "followed"
        if state is None:
            turn.hang_up("lost")
        elif state == "stopping":
            turn.hang_up("stopped")

    async def _over_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._over.wait()
        except TimeoutError:
            return False
        return True
