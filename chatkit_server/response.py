"""A turn on the wire: the stream is read from a queue that the turn fills at its own pace."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator

from chatkit.errors import ErrorCode
from chatkit.types import ErrorEvent
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from .turn import Turn

logger = logging.getLogger("chatkit_server")

RUNNING: dict[asyncio.Task[None], Turn] = {}
"""The turns of this process that have not ended; shutdown waits for them."""

# A reader that takes nothing any more: 20,000 events are some 6 MB.
_LONGEST_BACKLOG = 20_000


class TurnResponse(StreamingResponse):
    """Streams a turn that runs in a task of its own.

    The task is outside of the request's cancel scope, and the queue has no bound, so that it only
    ever waits inside the SDK: whatever ends the connection, the turn ends by itself and stores what
    was sent.
    """

    media_type = "text/event-stream"

    def __init__(
        self, stream: AsyncGenerator[bytes, None], turn: Turn, *, keep_alive: float = 15.0
    ) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._turn = turn
        self._keep_alive = keep_alive
        self._reading = True
        self._first: bytes | None = None
        self._task = asyncio.create_task(self._run(stream))
        RUNNING[self._task] = turn
        self._task.add_done_callback(RUNNING.pop)
        super().__init__(
            self._body(),
            headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"},
        )

    async def _run(self, stream: AsyncGenerator[bytes, None]) -> None:
        sent = False
        try:
            async for frame in stream:
                sent = True
                if self._reading:
                    self._queue.put_nowait(frame)
                    if self._queue.qsize() > _LONGEST_BACKLOG:
                        self._leave()
        except asyncio.CancelledError:
            if not self._turn.hung_up:
                raise
        except Exception:
            if not sent:
                raise  # becomes a status, see `first`
            logger.exception("turn %s broke off", self._turn.id)
            error = ErrorEvent(code=ErrorCode.STREAM_ERROR, allow_retry=True)
            self._queue.put_nowait(b"data: " + error.model_dump_json().encode() + b"\n\n")
        finally:
            self._queue.put_nowait(None)

    async def first(self) -> TurnResponse:
        """Wait for the first event; an error before it is raised here, while there is a status.

        A client that leaves meanwhile is noticed when the first event is sent.
        """
        try:
            self._first = await self._queue.get()
        except asyncio.CancelledError:
            self._leave()
            raise
        if self._first is None:
            await self._task
        return self

    async def _body(self) -> AsyncIterator[bytes]:
        frame = self._first
        while frame is not None:
            yield frame
            frame = await self._next()

    async def _next(self) -> bytes | None:
        try:
            async with asyncio.timeout(self._keep_alive):
                return await self._queue.get()
        except TimeoutError:
            return b": ping\n\n"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Holds for cancelled scopes, OSError and GeneratorExit alike.
            self._leave()

    def _leave(self) -> None:
        self._reading = False
        if not self._task.done():
            self._turn.hang_up()


DRAINING = asyncio.Event()
"""Set while the process shuts down."""


async def drain(seconds: float) -> None:
    """Let running turns end by themselves for some seconds; then stop them, keeping their text."""
    DRAINING.set()
    if RUNNING and seconds:
        await asyncio.wait(RUNNING, timeout=seconds)
    for turn in RUNNING.values():
        turn.hang_up()
    if RUNNING:
        await asyncio.wait(RUNNING, timeout=5.0)
