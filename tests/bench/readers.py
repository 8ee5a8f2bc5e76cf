"""Many readers of one ChatKit server, cheap enough to run beside it.

    python -m tests.bench.readers URL...

Takes a line of JSON at a time: `{"readers": N, "over": SECONDS}` sets how many there are, spread
over so many seconds; `{"measure": SECONDS}` measures and prints one line of JSON. A reader asks in
a new thread, reads the answer to its end and asks again. Answers come from `tests.bench.offered`,
whose deltas say when they were sent.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import secrets
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from tests.bench.offered import CHARACTERS, STAMP

_DELTA = re.compile(rb'"delta":"([^"]*)"')
_ERROR = re.compile(rb'\{"type":"error"[^\n]*')
_SENT = re.compile(rb"@(\d{12})")
_QUESTIONS = (
    "How do I connect it to Neon?",
    "How do I start the server?",
    "Where are threads kept?",
    "How do I add a tool of my own?",
)


class Measure:
    """What the readers see while it is measured."""

    def __init__(self) -> None:
        self.since = time.monotonic()
        self.until = float("inf")
        self.lags: list[float] = []
        self.firsts: list[float] = []
        self.answers = 0
        self.frames = 0
        self.failures: list[str] = []

    def report(self, seconds: float) -> dict[str, Any]:
        times = os.times()
        return {
            "since": self.since,
            "until": self.since + seconds,
            "characters": len(self.lags) * CHARACTERS,
            "deltas": len(self.lags),
            "frames": self.frames,
            "answers": self.answers,
            "lag_median": statistics.median(self.lags) if self.lags else None,
            "lag_p95": percentile(self.lags),
            "first_median": statistics.median(self.firsts) if self.firsts else None,
            "first_p95": percentile(self.firsts),
            "failures": len(self.failures),
            "failure": next(iter(self.failures), None),
            "cpu": times.user + times.system,
        }


def percentile(values: list[float], share: float = 0.95) -> float | None:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else None


class Reader(asyncio.Protocol):
    """One visitor on one connection."""

    def __init__(self, crowd: Crowd, url: str) -> None:
        self._crowd = crowd
        self._place = urlsplit(url)
        self._secret = secrets.token_hex(24)
        self._rest = b""
        self._asked = 0.0
        self._head = True
        self._waiting = True
        self.leaving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.leaving:
            self._crowd.measure.failures.append(f"connection lost: {exc}")
            self._crowd.replace(self)

    def ask(self) -> None:
        text = {"type": "input_text", "text": secrets.choice(_QUESTIONS)}
        sent = {"content": [text], "attachments": [], "inference_options": {}}
        body = json.dumps({"type": "threads.create", "params": {"input": sent}}).encode()
        head = (
            f"POST {self._place.path} HTTP/1.1\r\nHost: {self._place.netloc}\r\n"
            f"X-Session-Id: {self._secret}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._asked = time.monotonic()
        self._head = self._waiting = True
        self._transport.write(head.encode() + body)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        measure = self._crowd.measure
        whole = self._rest + data
        if self._head:
            end = whole.find(b"\r\n\r\n")
            if end < 0:
                self._rest = whole
                return
            if not whole.startswith(b"HTTP/1.1 200"):
                measure.failures.append(whole.partition(b"\r\n\r\n")[2].decode(errors="replace"))
                self.leaving = True
                self._transport.abort()
                self._crowd.replace(self)
                return
            self._head = False
            whole = whole[end + 4 :]
        # Whole frames only; the rest waits for what follows.
        frames, end_of_frame, self._rest = whole.rpartition(b"\n\n")
        if not end_of_frame and not self._rest.endswith(b"0\r\n\r\n"):
            return
        for delta in _DELTA.findall(frames):
            measure.frames += 1
            if self._waiting:
                self._waiting = False
                measure.firsts.append((now - self._asked) * 1000)
            for sent in _SENT.findall(delta):
                measure.lags.append((now - int(sent) / STAMP) * 1000)
        if failure := _ERROR.search(frames):
            measure.failures.append(failure[0].decode())
        if self._rest.endswith(b"0\r\n\r\n"):
            self._rest = b""
            measure.answers += 1
            if self.leaving:
                self._transport.close()
            else:
                self.ask()


class Crowd:
    """All readers; each new one goes to the next server."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = itertools.cycle(urls)
        self._readers: list[Reader] = []
        self._joining: set[asyncio.Task[None]] = set()
        self.measure = Measure()

    async def grow(self, count: int, over: float) -> None:
        missing = count - len(self._readers)
        for _ in range(missing):
            await self._join()
            await asyncio.sleep(over / missing)
        for _ in range(-missing):
            self._readers.pop().leaving = True

    def replace(self, reader: Reader) -> None:
        self._readers.remove(reader)
        task = asyncio.create_task(self._join())
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)

    async def _join(self) -> None:
        url = next(self._urls)
        place = urlsplit(url)
        _, reader = await asyncio.get_running_loop().create_connection(
            lambda: Reader(self, url), place.hostname or "", place.port or 80
        )
        self._readers.append(reader)


async def obey(urls: Sequence[str]) -> None:
    crowd = Crowd(urls)
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        if "readers" in order:
            await crowd.grow(order["readers"], order["over"])
            print("{}", flush=True)
        else:
            crowd.measure = measure = Measure()
            await asyncio.sleep(order["measure"])
            crowd.measure = Measure()
            print(json.dumps(measure.report(time.monotonic() - measure.since)), flush=True)


if __name__ == "__main__":
    asyncio.run(obey(sys.argv[1:]))
