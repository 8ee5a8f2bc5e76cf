"""Readers who remember every event that they saw, and when."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from chatkit_server.testing import ModelRequest, Say
from tests.fixtures.app import message

TAG = re.compile(r"tag-\d+-\d+")
_QUESTION = "How do I connect to Neon?"


def answer_text(tag: str) -> str:
    """What the model says to the question of this tag: between one and four seconds of text."""
    words = random.Random(tag).randrange(15, 80)
    return " ".join(f"{tag}.{number}" for number in range(words))


def answer(request: ModelRequest) -> Say:
    """The script: an answer that nobody else gets, at 18 pieces a second."""
    tag = TAG.findall(request.text)[-1]
    return Say(answer_text(tag), cut=len(tag) + 4, pause=0.055)


@dataclass
class Asked:
    """One message that was sent, and all that came back."""

    tag: str
    user: str
    sent_at: float = field(default_factory=time.monotonic)
    thread_id: str | None = None
    status: int | None = None
    """None where the connection broke before there was one."""
    body: str = ""
    """The refusal's."""
    events: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    whole: bool = False
    """Whether the stream came to its proper end."""
    ended_at: float = 0.0

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for _, event in self.events if event["type"] == kind]

    @property
    def done(self) -> list[dict[str, Any]]:
        """The items that the reader was told are done."""
        return [event["item"] for event in self.of("thread.item.done")]

    @property
    def deltas(self) -> list[tuple[float, str]]:
        return [
            (at, event["update"]["delta"])
            for at, event in self.events
            if "delta" in event.get("update", {})
        ]

    @property
    def text(self) -> str:
        """The answer as far as it was seen."""
        return "".join(delta for _, delta in self.deltas)


class Visitor:
    """Somebody with a secret, who asks one question after another in one thread."""

    def __init__(self, url: str, number: int, http: httpx.AsyncClient) -> None:
        self.number = number
        self.secret = f"visitor-{number:04}-" + "x" * 32
        self.thread_id: str | None = None
        self.asked: list[Asked] = []
        self._url = url
        self._http = http

    async def post(self, kind: str, **params: Any) -> httpx.Response:
        return await self._http.post(
            f"{self._url}/chatkit",
            json={"type": kind, "params": params},
            headers={"X-Session-Id": self.secret},
        )

    async def ask(self) -> Asked:
        """Send the next message and read until the stream ends or breaks."""
        tag = f"tag-{self.number}-{len(self.asked)}"
        sent = message(f"{_QUESTION} {tag}")
        request: dict[str, Any] = {"type": "threads.create", "params": {"input": sent}}
        if self.thread_id is not None:
            request["type"] = "threads.add_user_message"
            request["params"]["thread_id"] = self.thread_id
        asked = Asked(tag, self.secret, thread_id=self.thread_id)
        self.asked.append(asked)
        try:
            async with self._http.stream(
                "POST",
                f"{self._url}/chatkit",
                json=request,
                headers={"X-Session-Id": self.secret},
            ) as response:
                asked.status = response.status_code
                if response.status_code != 200:
                    asked.body = (await response.aread()).decode()
                    return asked
                async for line in response.aiter_lines():
                    if line.startswith("data: "):
                        event = json.loads(line.removeprefix("data: "))
                        asked.events.append((time.monotonic(), event))
                        if event["type"] == "thread.created":
                            asked.thread_id = self.thread_id = event["thread"]["id"]
                asked.whole = True
        except httpx.TransportError:
            pass
        finally:
            asked.ended_at = time.monotonic()
        return asked

    async def items(self) -> list[dict[str, Any]]:
        """The thread as its page would show it, oldest first."""
        found: list[dict[str, Any]] = []
        after = None
        while True:
            params = {"thread_id": self.thread_id, "order": "asc", "limit": 100, "after": after}
            response = await self.post("items.list", **params)
            assert response.status_code == 200, response.text
            page = response.json()
            found += page["data"]
            if not page["has_more"]:
                return found
            after = page["after"]


async def until(condition: Any, timeout: float, what: str) -> None:
    """Wait for something that no event tells of."""
    deadline = time.monotonic() + timeout
    while True:
        # Before the look, which may itself take long: what is true after the limit counts.
        late = time.monotonic() > deadline
        if await condition():
            return
        if late:
            raise TimeoutError(f"not after {timeout:g} s: {what}")
        await asyncio.sleep(0.05)
