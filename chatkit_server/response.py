"""A turn on the wire: it fills queues at its own pace, and readers take from them at theirs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable

from chatkit.errors import ErrorCode
from chatkit.types import ErrorEvent
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from .errors import too_many_readers
from .turn import Turn

logger = logging.getLogger("chatkit_server")

RUNNING: dict[asyncio.Task[None], Turn] = {}
"""The turns of this process that have not ended; shutdown waits for them."""

# A reader that takes nothing any more: 20,000 events are some 6 MB.
_LONGEST_BACKLOG = 20_000
_MOST_READERS = 16
# How often a turn without readers here looks whether it is followed elsewhere.
_FOLLOWED = 5.0
PING = b": ping\n\n"


def stream_headers(keep_alive: float) -> dict[str, str]:
    """Of every stream; what it says of its silence tells a reader when the connection is dead."""
    return {
        "Cache-Control": "no-store, no-transform",
        "X-Accel-Buffering": "no",
        "X-Chatkit-Keep-Alive": f"{keep_alive:g}",
    }


class Feed:
    """Runs a turn in a task of its own, and hands what it writes to everybody who reads.

    The task is outside of any request's cancel scope, and the queues have no bound, so that it only
    ever waits inside the SDK: whatever ends a connection, the turn ends by itself and stores what
    was sent.
    """

    def __init__(self, stream: AsyncGenerator[bytes, None], turn: Turn) -> None:
        self.turn = turn
        turn.feed = self
        self._readers: dict[Reader, None] = {}
        self._waiting: asyncio.TimerHandle | None = None
        self.task = asyncio.create_task(self._run(stream))
        RUNNING[self.task] = turn
        self.task.add_done_callback(self._ended)

    def read(self, past: Iterable[bytes] = (), *, grace: float = 0.0) -> Reader:
        """A new reader of all that comes from now on.

        Args:
            past: What it gets first.
            grace: Seconds that the turn goes on without readers once this one has left.
        """
        if len(self._readers) >= _MOST_READERS:
            raise too_many_readers()
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        reader = Reader(self, grace)
        for frame in past:
            reader.queue.put_nowait(frame)
        if self.task.done():
            reader.queue.put_nowait(None)
        else:
            self._readers[reader] = None
        return reader

    def leave(self, reader: Reader, *, gone: bool = True) -> None:
        """The reader is gone, or takes nothing any more; without readers the turn is stopped."""
        if reader not in self._readers:
            return
        del self._readers[reader]
        if self._readers or self.task.done():
            return
        if reader.grace:
            self._wait_for_readers(reader.grace)
            return
        if gone:
            while not reader.queue.empty():
                if frame := reader.queue.get_nowait():
                    self.turn.record.count_unsent(frame)
        self.turn.hang_up("left")

    def _wait_for_readers(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._waiting = loop.call_later(seconds, self._give_up, min(seconds, _FOLLOWED))

    def _give_up(self, again: float) -> None:
        if self.turn.followed:
            self._wait_for_readers(again)
        else:
            self.turn.hang_up("left")

    def _ended(self, task: asyncio.Task[None]) -> None:
        del RUNNING[task]
        if self._waiting is not None:
            self._waiting.cancel()

    async def _run(self, stream: AsyncGenerator[bytes, None]) -> None:
        sent = False
        try:
            async for frame in stream:
                sent = True
                self._send(frame)
        except asyncio.CancelledError:
            if not self.turn.hung_up:
                raise
        except Exception:
            if not sent:
                raise  # becomes a status, see `TurnResponse.first`
            logger.exception("turn %s broke off", self.turn.id)
            error = ErrorEvent(code=ErrorCode.STREAM_ERROR, allow_retry=True)
            self._send(b"data: " + error.model_dump_json().encode() + b"\n\n")
        finally:
            self._send(None)

    def _send(self, frame: bytes | None) -> None:
        if frame is not None:
            if self.turn.reason == "left":
                self.turn.record.count_unsent(frame)
            elif self.turn.trail is not None:
                self.turn.trail.write(frame)
        for reader in list(self._readers):
            reader.queue.put_nowait(frame)
            if reader.queue.qsize() > _LONGEST_BACKLOG:
                self.leave(reader, gone=False)
                reader.queue.put_nowait(None)


class Reader:
    """One connection that a turn is read by."""

    def __init__(self, feed: Feed, grace: float) -> None:
        self.feed = feed
        self.grace = grace
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()


class TurnResponse(StreamingResponse):
    """Streams what a reader gets."""

    media_type = "text/event-stream"

    def __init__(self, reader: Reader, *, keep_alive: float = 15.0) -> None:
        self._reader = reader
        self._keep_alive = keep_alive
        self._first: bytes | None = None
        self._loop = asyncio.get_running_loop()
        self._spoke_at = self._loop.time()
        super().__init__(self._body(), headers=stream_headers(keep_alive))

    async def first(self) -> TurnResponse:
        """Wait for the first event; an error before it is raised here, while there is a status.

        A client that leaves meanwhile is noticed when the first event is sent.
        """
        try:
            self._first = await self._reader.queue.get()
        except asyncio.CancelledError:
            self._leave()
            raise
        if self._first is None:
            await self._reader.feed.task
        return self

    async def _body(self) -> AsyncIterator[bytes]:
        frame = self._first
        while frame is not None:
            yield frame
            self._spoke_at = self._loop.time()
            frame = await self._reader.queue.get()

    def _fill_silence(self) -> None:
        # One timer for the response: a timeout for each frame costs more than the frame.
        left = self._keep_alive - (self._loop.time() - self._spoke_at)
        if left <= 0:
            self._reader.queue.put_nowait(PING)
            left = self._keep_alive
        self._timer = self._loop.call_later(left, self._fill_silence)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._fill_silence()
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._timer.cancel()
            # Holds for cancelled scopes, OSError and GeneratorExit alike.
            self._leave()

    def _leave(self) -> None:
        self._reader.feed.leave(self._reader)


DRAINING = asyncio.Event()
"""Set while the process shuts down."""


async def drain(seconds: float, requests: Collection[asyncio.Task[None]] = ()) -> None:
    """Let running turns end by themselves for some seconds; then stop them, keeping their text.

    Args:
        seconds: That they get.
        requests: What is being answered, and may still become a turn.
    """
    DRAINING.set()
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while (busy := {*RUNNING, *requests}) and (left := until - loop.time()) > 0:
        await asyncio.wait(busy, timeout=left)
    stop_turns()
    if RUNNING:
        await asyncio.wait(RUNNING, timeout=5.0)


def stop_turns() -> None:
    """Stop what runs, since the process ends."""
    for turn in RUNNING.values():
        turn.hang_up("shutdown")
