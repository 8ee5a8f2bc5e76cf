"""An event loop's time that passes when the test says so, and not while a machine is busy."""

import asyncio


class Clock:
    """Timeouts run out by `forward` alone, which any thread may call."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._now = loop.time()

    def time(self) -> float:
        return self._now

    def forward(self, seconds: float) -> None:
        # In the loop, which may wait for something by the time from before.
        self._loop.call_soon_threadsafe(self._forward, seconds)

    def _forward(self, seconds: float) -> None:
        self._now += seconds
