"""Readers who leave, each in a way of its own, over a bare socket."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from tests.fixtures.app import message

Manner = Literal[
    "half a request",
    "before the first byte",
    "in the middle",
    "stalled",
    "at the end",
    "and comes back",
    "patient",
]
MANNERS: tuple[Manner, ...] = (
    "half a request",
    "before the first byte",
    "in the middle",
    "in the middle",
    "in the middle",
    "stalled",
    "at the end",
    "and comes back",
)


@dataclass
class Leaver:
    """One reader: asks a question in a new thread, and leaves."""

    number: int
    manner: Manner
    rudely: bool
    """Resets the connection instead of closing it."""
    pieces: int
    """So many pieces are read before."""
    secret: str = ""
    thread_id: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    """Of each answer, as far as it came."""
    questions: list[str] = field(default_factory=list)
    """Ids of the questions that the reader was told are stored."""
    ended: bool = False

    @classmethod
    def roll(cls, number: int, rolls: random.Random, pieces: int) -> Leaver:
        return cls(
            number,
            rolls.choice(MANNERS),
            rolls.random() < 0.5,
            rolls.randrange(1, pieces),
            secret=f"leaver-{number:04}-" + "x" * 32,
        )

    @classmethod
    def patient(cls, number: int) -> Leaver:
        """One who reads to the end of a short answer."""
        return cls(number, "patient", False, 1, secret=f"patient-{number:04}-" + "x" * 32)

    @property
    def tag(self) -> str:
        return f"{self.manner.replace(' ', '-')}-{self.number}"

    async def come_and_go(self, url: str) -> None:
        """Stay as long as the manner wants it."""
        place = urlsplit(url)
        connection = socket.socket()
        connection.setblocking(False)
        if self.manner == "stalled":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await asyncio.get_running_loop().sock_connect(connection, (place.hostname, place.port))
        # Room for a line of many long pieces, which a busy server joins, and for no whole answer.
        reader, writer = await asyncio.open_connection(sock=connection, limit=1 << 18)
        try:
            request = self._request(resuming=self.manner == "and comes back")
            if self.manner == "half a request":
                writer.write(request[:-20])
                await writer.drain()
                return
            writer.write(request)
            await writer.drain()
            if self.manner != "before the first byte":
                await self._read(reader)
            if self.manner == "stalled":
                # Long enough that the server can't write any more.
                await asyncio.sleep(0.05 * self.pieces)
        finally:
            if self.rudely:
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
            else:
                writer.close()

        if self.manner == "and comes back":
            await self._come_back(url)

    async def _come_back(self, url: str) -> None:
        """Take the answer up where it is by now, and read it to its end."""
        own = {"X-Session-Id": self.secret}
        self.texts.clear()
        async with (
            httpx.AsyncClient(base_url=url, headers=own, timeout=60) as http,
            http.stream("GET", f"/chatkit/turns/{self.thread_id}") as response,
        ):
            # 204 where the answer has ended meanwhile.
            assert response.status_code in (200, 204), response.status_code
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    self._note(json.loads(line.removeprefix("data: ")))
            self.ended = True

    def _request(self, *, resuming: bool) -> bytes:
        sent = message(f"How do I connect to Neon? {self.tag}")
        body = json.dumps({"type": "threads.create", "params": {"input": sent}}).encode()
        head = (
            "POST /chatkit HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"X-Session-Id: {self.secret}\r\nContent-Length: {len(body)}\r\n"
            f"X-Chatkit-Resume: {int(resuming)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body

    async def _read(self, reader: asyncio.StreamReader) -> None:
        # By the text, since pieces that queue up are joined.
        enough = self.pieces * (4000 if self.manner == "stalled" else 9)
        stays = self.manner in ("at the end", "patient")
        while (stays or len(self.seen) < enough) and (line := await reader.readline()):
            if not line.startswith(b"data: "):
                self.ended = self.ended or line == b"0\r\n"
                continue
            self._note(json.loads(line.removeprefix(b"data: ")))

    def _note(self, event: dict[str, Any]) -> None:
        item = event.get("item", {})
        if event["type"] == "thread.created":
            self.thread_id = event["thread"]["id"]
        elif item.get("type") == "user_message":
            self.questions.append(item["id"])
        elif item.get("type") == "assistant_message":
            self.texts[item["id"]] = "".join(part["text"] for part in item["content"])
        elif delta := event.get("update", {}).get("delta"):
            self.texts[event["item_id"]] = self.texts.get(event["item_id"], "") + delta

    @property
    def seen(self) -> str:
        """The answer as far as it came."""
        return "".join(self.texts.values())
