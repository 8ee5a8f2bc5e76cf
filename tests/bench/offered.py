"""A model that streams at an exact pace, for a load that costs next to nothing to make.

    python -m tests.bench.offered [--pace 20] [--deltas 200]

Prints its URL. Each delta says when it was sent. `GET /offered?since=S&until=S` tells how many
characters were sent in that time, by the machine's monotonic clock.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import re
import time
from collections import defaultdict
from typing import Any

STAMP = 1e4
"""Ticks of a second in which a delta tells its time."""
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_WINDOW = re.compile(rb"since=([\d.]+)&until=([\d.]+)")
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_numbers = itertools.count(1)


def words() -> str:
    """One delta: the time and some letters, always as many."""
    return f" @{int(time.monotonic() * STAMP):012d} words"


CHARACTERS = len(words())


class Offered:
    """How much was sent, in hundredths of a second."""

    def __init__(self) -> None:
        self._sent: defaultdict[int, int] = defaultdict(int)

    def note(self) -> None:
        self._sent[int(time.monotonic() * 100)] += CHARACTERS

    def between(self, since: float, until: float) -> int:
        return sum(self._sent[at] for at in range(int(since * 100), int(until * 100)))


class _Answer:
    """One streamed answer of either API."""

    def __init__(self, connection: _Connection, *, chat: bool) -> None:
        self._connection = connection
        self._number = next(_numbers)
        self._events = itertools.count()
        self._text: list[str] = []
        self._chat = chat

    def _send(self, kind: str, **fields: Any) -> None:
        event = {"type": kind, **fields, "sequence_number": next(self._events)}
        self._connection.chunk(f"event: {kind}\ndata: {json.dumps(event)}\n\n".encode())

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        chunk = {
            "id": f"chatcmpl-{self._number:020d}",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "offered",
            "choices": [choice],
        }
        self._connection.chunk(f"data: {json.dumps(chunk)}\n\n".encode())

    @property
    def _place(self) -> dict[str, Any]:
        return {"item_id": f"msg_{self._number:032d}", "output_index": 0, "content_index": 0}

    def _response(self, status: str, **fields: Any) -> dict[str, Any]:
        return {
            "id": f"resp_{self._number:032d}",
            "object": "response",
            "created_at": 1,
            "model": "offered",
            "output": [],
            "parallel_tool_calls": False,
            "tool_choice": "auto",
            "tools": [],
            "status": status,
            **fields,
        }

    def _item(self, status: str, content: list[Any]) -> dict[str, Any]:
        return {
            "id": self._place["item_id"],
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": content,
        }

    def begin(self) -> None:
        if self._chat:
            self._chunk({"role": "assistant", "content": ""})
            return
        self._send("response.created", response=self._response("in_progress"))
        self._send("response.output_item.added", output_index=0, item=self._item("in_progress", []))
        part = {"type": "output_text", "text": "", "annotations": []}
        self._send("response.content_part.added", part=part, **self._place)

    def delta(self) -> None:
        text = words()
        self._text.append(text)
        if self._chat:
            self._chunk({"content": text})
        else:
            self._send("response.output_text.delta", delta=text, logprobs=[], **self._place)

    def end(self) -> None:
        if self._chat:
            self._chunk({}, "stop")
            self._connection.chunk(b"data: [DONE]\n\n")
            return
        text = "".join(self._text)
        part = {"type": "output_text", "text": text, "annotations": []}
        item = self._item("completed", [part])
        self._send("response.output_text.done", text=text, logprobs=[], **self._place)
        self._send("response.content_part.done", part=part, **self._place)
        self._send("response.output_item.done", output_index=0, item=item)
        usage = {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": len(self._text),
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 100 + len(self._text),
        }
        done = self._response("completed", output=[item], usage=usage)
        self._send("response.completed", response=done)


class _Connection(asyncio.Protocol):
    def __init__(self, offered: Offered, pace: float, deltas: int) -> None:
        self._offered = offered
        self._pace = pace
        self._deltas = deltas
        self._received = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def chunk(self, data: bytes) -> None:
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self._received, 0, head)
        whole = head + 4 + int(length[1] if length else 0)
        if len(self._received) < whole:
            return
        path = self._received.split(b" ", 2)[1]
        del self._received[:whole]
        if window := _WINDOW.search(path):
            times = os.times()
            told = {
                "characters": self._offered.between(float(window[1]), float(window[2])),
                "cpu": times.user + times.system,
            }
            body = json.dumps(told).encode()
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            return
        answer = _Answer(self, chat=path.endswith(b"/chat/completions"))
        self._transport.write(_HEAD)
        answer.begin()
        self._say(answer, self._deltas, asyncio.get_running_loop().time())

    def _say(self, answer: _Answer, left: int, due: float) -> None:
        if self._transport.is_closing():
            return
        if not left:
            answer.end()
            self.chunk(b"")
            return
        answer.delta()
        self._offered.note()
        # By the clock and not by the last delta: a late one does not slow down the rest.
        due += 1 / self._pace
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(due, self._say, answer, left - 1, due)


async def serve(pace: float, deltas: int) -> None:
    offered = Offered()
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(offered, pace, deltas), "127.0.0.1", 0
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pace", type=float, default=20.0, help="deltas a second")
    parser.add_argument("--deltas", type=int, default=200, help="deltas of an answer")
    options = parser.parse_args()
    asyncio.run(serve(options.pace, options.deltas))


if __name__ == "__main__":
    main()
