"""Readers who come back to their answer over whichever server they are led to."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.faults.visitor import TAG
from tests.fixtures.app import message

_QUESTION = "How do I connect to Neon?"
# What a proxy says of a server that went away, and a server that is about to go.
_GONE = (None, 502, 503, 504)
_PAUSE = 0.2


@dataclass
class Attempt:
    """One answer to a question, over all the connections that brought a part of it."""

    grown: list[tuple[float, int]] = field(default_factory=list)
    """When the reader had more of it on the screen than before, and how much."""
    longest: str = ""
    """The most that was on the screen."""
    connections: int = 0
    end: str | None = None
    """`completed`, or what the server called it."""
    _screen: dict[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        return "".join(self._screen.values())

    def open(self) -> None:
        """A connection begins with all that there is."""
        self.connections += 1
        self._screen = {}

    def note(self, event: dict[str, Any]) -> None:
        item = event.get("item", {})
        if item.get("type") == "assistant_message":
            self._screen[item["id"]] = "".join(part["text"] for part in item["content"])
        elif event["type"] == "thread.item.removed":
            self._screen.pop(event["item_id"], None)
        elif delta := event.get("update", {}).get("delta"):
            self._screen[event["item_id"]] = self._screen.get(event["item_id"], "") + delta
        if len(self.shown) > len(self.longest):
            self.longest = self.shown
            self.grown.append((time.monotonic(), len(self.longest)))


@dataclass
class Question:
    """One message that was sent until it was taken, and the answers to it."""

    tag: str
    user: str
    thread_id: str | None = None
    item_id: str | None = None
    """Once the reader knows that it is stored."""
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def last(self) -> Attempt:
        """The one that counts: each new one replaces those before it."""
        return self.attempts[-1]


class Returner:
    """Somebody with a secret, who asks one question after another in one thread.

    As the self-hosted chat does it: a connection that breaks is followed by a look at the answer,
    and a question is sent again only where the thread shows that it never arrived.
    """

    def __init__(
        self, address: Callable[[], str], number: int, http: httpx.AsyncClient, rolls: random.Random
    ) -> None:
        self.secret = f"returner-{number:04}-" + "x" * 32
        self.thread_id: str | None = None
        self.questions: list[Question] = []
        self.statuses: Counter[int | None] = Counter()
        self._address = address
        self._number = number
        self._http = http
        self._rolls = rolls

    async def ask(self) -> Question:
        """Send the next message, and stay until it is answered or the answer is given up."""
        tag = f"tag-{self._number}-{len(self.questions)}"
        question = Question(tag, self.secret, self.thread_id)
        self.questions.append(question)
        sent = {"input": message(f"{_QUESTION} {tag}")}
        while question.item_id is None:
            kind = "threads.add_user_message" if self.thread_id else "threads.create"
            thread = {"thread_id": self.thread_id} if self.thread_id else {}
            attempt = Attempt()
            question.attempts = [attempt]
            status = await self._read(question, {"type": kind, "params": sent | thread})
            if question.item_id is None and status != 409:
                await self._look_for(question)
            if question.item_id is None:
                await asyncio.sleep(_PAUSE)
        await self._stay(question)
        # Some go on with half an answer; nobody without any.
        while question.last.end != "completed" and (
            not question.last.longest or self._rolls.random() < 0.5
        ):
            await self._retry(question)
        return question

    async def _retry(self, question: Question) -> None:
        question.attempts.append(Attempt())
        params = {"thread_id": question.thread_id, "item_id": question.item_id}
        while True:
            status = await self._read(
                question, {"type": "threads.retry_after_item", "params": params}
            )
            if status != 409:
                break
            await asyncio.sleep(_PAUSE)
        await self._stay(question)

    async def _stay(self, question: Question) -> None:
        """Come back until the answer has ended in some way."""
        while question.last.end is None:
            status = await self._read(question, None)
            if status in _GONE:
                await asyncio.sleep(_PAUSE)

    async def _read(self, question: Question, request: dict[str, Any] | None) -> int | None:
        """Send a request, or take up the answer where there is none; None where it broke."""
        attempt = question.last
        headers = {"X-Session-Id": self.secret, "X-Chatkit-Resume": "1"}
        call: dict[str, Any] = {"method": "POST", "url": f"{self._address()}/chatkit"}
        call["json"] = request
        if request is None:
            url = f"{self._address()}/chatkit/turns/{question.thread_id}"
            call = {"method": "GET", "url": url}
        status = None
        try:
            async with self._http.stream(**call, headers=headers) as response:
                status = response.status_code
                self.statuses[status] += 1
                if status == 204:
                    attempt.end = response.headers["x-chatkit-turn"]
                elif status == 200:
                    await self._take(question, attempt, response)
                elif status not in (409, *_GONE):
                    raise AssertionError(f"{status}: {(await response.aread()).decode()}")
        except httpx.TransportError:
            self.statuses[None] += status is None
        return status

    async def _take(self, question: Question, attempt: Attempt, response: httpx.Response) -> None:
        attempt.open()
        done = failed = False
        async for line in response.aiter_lines():
            if not line.startswith("data: "):
                continue
            event = json.loads(line.removeprefix("data: "))
            item = event.get("item", {})
            attempt.note(event)
            if event["type"] == "thread.created":
                question.thread_id = self.thread_id = event["thread"]["id"]
            elif event["type"] == "error":
                assert event.get("allow_retry"), event
                failed = True
            elif event["type"] == "thread.item.done" and item["type"] == "assistant_message":
                done = True
            elif event["type"] == "thread.item.done" and item["type"] == "user_message":
                question.item_id = question.item_id or item["id"]
        # What ends properly without either was cut by a server that goes: it is asked for again.
        if failed:
            attempt.end = "interrupted"
        elif done:
            attempt.end = "completed"

    async def _look_for(self, question: Question) -> None:
        """Look whether a question whose connection broke at once is in the thread."""
        threads = [self.thread_id]
        if self.thread_id is None:
            page = await self._call("threads.list", limit=3, order="desc")
            threads = [thread["id"] for thread in page["data"]]
        for thread_id in threads:
            page = await self._call("items.list", thread_id=thread_id, limit=10, order="desc")
            for item in page["data"]:
                if item["type"] == "user_message" and question.tag in TAG.findall(json.dumps(item)):
                    question.item_id = item["id"]
                    question.thread_id = self.thread_id = thread_id

    async def _call(self, kind: str, **params: Any) -> dict[str, Any]:
        while True:
            try:
                response = await self._http.post(
                    f"{self._address()}/chatkit",
                    json={"type": kind, "params": params},
                    headers={"X-Session-Id": self.secret},
                )
            except httpx.TransportError:
                pass
            else:
                if response.status_code == 200:
                    found: dict[str, Any] = response.json()
                    return found
                assert response.status_code in _GONE, response.text
            await asyncio.sleep(_PAUSE)
