"""Turns that are stopped and followed from outside, from any tab and replica."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator

from chatkit.types import (
    StreamOptionsEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadStreamEvent,
)

from .context import RequestContext
from .errors import too_many_readers
from .following import tell
from .lease import HISTORY, TurnStore, TurnView
from .recording import RecordingServer
from .response import Reader
from .turn import Turn

STOP_PATIENCE = 4.0
"""Seconds that a stop waits for another replica."""
POLL = 0.5
"""Seconds between two looks at a turn of another replica."""
_MOST_FOLLOWERS = 16


class FollowedServer(RecordingServer):
    """Knows the turns of this process, and asks the store for those of others."""

    def __init__(self, store: TurnStore, turns: dict[str, Turn]) -> None:
        super().__init__(store)
        self._turns = turns
        """Those that have their thread, by its id."""
        self._begun: set[Turn] = set()
        """Also those that wait for their thread."""
        self._followers: Counter[str] = Counter()
        """Readers of turns of other replicas, by thread; each asks the database again and again."""

    async def stop(self, thread_id: str, context: RequestContext) -> bool:
        """Stop the answer that is being written in a thread, and return once it is stored.

        One that runs on another replica stops at its next checkpoint, and may still run when this
        returns: it is waited for no longer than `STOP_PATIENCE`.

        Returns:
            False where nothing was being written.

        Raises:
            NotFoundError: the thread is unknown or somebody else's.
        """
        turns = [
            turn
            for turn in self._begun
            if turn.asked == thread_id and turn.user_id == context.user_id
        ]
        for turn in turns:
            turn.hang_up("stopped")
        for turn in turns:
            await turn.done.wait()
        if any(turn.outcome == "stopped" for turn in turns):
            return True
        turn_id = await self._turn_store.stop_turn(thread_id, context=context)
        if turn_id is None:
            return False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_PATIENCE):
                async for view in self._views(thread_id, turn_id, context):
                    if view.turn_id != turn_id or view.state != "running":
                        break
        return True

    async def follow(
        self, thread_id: str, context: RequestContext, *, grace: float = 0.0
    ) -> Reader | TurnView:
        """Take up the answer that is being written in a thread.

        Returns:
            A reader that begins with what is there of the turn; or, where the turn does not run in
            this process, how it is stored.

        Raises:
            NotFoundError: the thread is unknown or somebody else's.
            RequestError: 429, where very many read it already.
        """
        turn = self._turns.get(thread_id) or next(
            (turn for turn in self._begun if turn.asked == thread_id), None
        )
        if turn is None or turn.user_id != context.user_id or turn.feed is None:
            stored = await self._turn_store.load_turn(
                thread_id, None, history=HISTORY, follow=True, context=context
            )
            if stored.state == "running" and self._followers[thread_id] >= _MOST_FOLLOWERS:
                raise too_many_readers()
            return stored
        replaced: list[str] = []
        if turn.retry is not None:
            view = await self._turn_store.load_turn(
                thread_id, turn.id, history=HISTORY, follow=False, context=context
            )
            replaced = view.replaced
        so_far = self._so_far(turn, replaced, context)
        return turn.feed.read(self._frames(so_far, context), grace=grace)

    async def follow_stored(
        self, thread_id: str, view: TurnView, context: RequestContext
    ) -> AsyncIterator[bytes | None]:
        """The frames of a turn that runs on another replica, from checkpoint to checkpoint.

        None after each look, every `POLL` seconds, that has found nothing new.
        """
        views = self._views(thread_id, view.turn_id, context, follow=True)
        self._followers[thread_id] += 1
        try:
            async for event in tell(view, views):
                yield self._frame(event, context) if event is not None else None
        finally:
            self._followers[thread_id] -= 1
            if not self._followers[thread_id]:
                del self._followers[thread_id]

    async def _views(
        self,
        thread_id: str,
        turn_id: str | None,
        context: RequestContext,
        *,
        follow: bool = False,
    ) -> AsyncIterator[TurnView]:
        # By asking: a pooler in transaction mode passes no notifications on.
        while True:
            await asyncio.sleep(POLL)
            yield await self._turn_store.load_turn(
                thread_id, turn_id, history=HISTORY, follow=follow, context=context
            )

    def _so_far(
        self, turn: Turn, replaced: Iterable[str], context: RequestContext
    ) -> Iterator[ThreadStreamEvent]:
        for item_id in replaced:
            yield ThreadItemRemovedEvent(item_id=item_id)
        if turn.thread is not None:
            options = self.get_stream_options(turn.thread, context)
            yield StreamOptionsEvent(stream_options=options)
        if turn.message is not None:
            yield ThreadItemDoneEvent(item=turn.message)
        yield from turn.record.snapshot()

    def _frames(self, events: Iterable[ThreadStreamEvent], context: RequestContext) -> list[bytes]:
        frames = (self._frame(event, context) for event in events)
        return [frame for frame in frames if frame is not None]

    def _frame(self, event: ThreadStreamEvent, context: RequestContext) -> bytes | None:
        return b"data: " + self._serialize(event) + b"\n\n"
