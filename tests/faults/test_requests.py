"""Requests that are wrong in every way: each is answered by the protocol, none leaves a trace."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from chatkit.types import ThreadStreamEvent
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from chatkit_server.testing import ScriptedTranscriber
from tests.faults.process import ServerProcess, tasks_left
from tests.faults.requests import OWNERS, Wild, wild_requests
from tests.faults.size import SEED, report, scaled
from tests.fixtures.app import message
from tests.fixtures.files import SECRET

AT_ONCE = 5
_EVENTS: TypeAdapter[ThreadStreamEvent] = TypeAdapter(ThreadStreamEvent)
_REFUSALS = {400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 429, 501, 503}
_LATER = {429, 503}
_MEGABYTE = 1 << 20


@dataclass
class World:
    """Two users with their threads, which the requests are about."""

    server: ServerProcess
    http: httpx.AsyncClient
    secrets: dict[str, str] = field(
        default_factory=lambda: {owner: f"wild-{owner}-" + "x" * 32 for owner in OWNERS}
    )
    ids: dict[str, str] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    turns: int = 0

    async def post(self, owner: str, kind: str, **params: Any) -> httpx.Response:
        return await self.http.post(
            f"{self.server.url}/chatkit",
            json={"type": kind, "params": params},
            headers={"X-Session-Id": self.secrets[owner]},
        )

    async def create(self, owner: str) -> str:
        sent = message("How do I connect to Neon?")
        response = await self.post(owner, "threads.create", input=sent)
        first = response.text.split("\n")[0].removeprefix("data: ")
        return str(json.loads(first)["thread"]["id"])

    async def refresh(self) -> None:
        """Know ids that exist: threads are deleted and renamed by what is sent."""
        for owner in OWNERS:
            if f"{owner}:deleted_thread" not in self.ids:
                gone = await self.create(owner)
                await self.post(owner, "threads.delete", thread_id=gone)
                self.ids[f"{owner}:deleted_thread"] = gone
                await self._attach(owner)
            items: list[dict[str, Any]] = []
            if thread := self.ids.get(f"{owner}:thread"):
                response = await self.post(owner, "items.list", thread_id=thread, order="asc")
                items = response.json()["data"] if response.status_code == 200 else []
            kinds = {item["type"]: item["id"] for item in items}
            if not {"user_message", "assistant_message"} <= kinds.keys() or len(items) > 10:
                thread = await self.create(owner)
                response = await self.post(owner, "items.list", thread_id=thread, order="asc")
                kinds = {item["type"]: item["id"] for item in response.json()["data"]}
            assert thread is not None
            self.ids[f"{owner}:thread"] = thread
            self.ids[f"{owner}:question"] = kinds["user_message"]
            self.ids[f"{owner}:answer"] = kinds["assistant_message"]

    async def _attach(self, owner: str) -> None:
        """A file that is there, and one that is announced, with the token for sending it."""
        response = await self.http.post(
            f"{self.server.url}/chatkit/attachments",
            files={"file": ("a.txt", b"some words")},
            headers={"X-Session-Id": self.secrets[owner]},
        )
        self.ids[f"{owner}:attachment"] = response.json()["id"]
        response = await self.post(
            owner, "attachments.create", name="b.txt", size=10, mime_type="text/plain"
        )
        announced = response.json()
        self.ids[f"{owner}:announced"] = announced["id"]
        self.ids[f"{owner}:token"] = announced["upload_descriptor"]["url"].split("token=")[1]

    async def send(self, wild: Wild, owner: str) -> None:
        own = self.ids if owner == "own" else _swapped(self.ids)
        secret = self.secrets[owner] if wild.secret == "<own>" else wild.secret
        headers = {name.encode(): value.encode() for name, value in wild.headers.items()}
        if secret is not None:
            headers[b"X-Session-Id"] = secret.encode()
        request = self.http.build_request(
            wild.method,
            self.server.url + wild.fill(wild.path, own),
            content=wild.content(own),
            headers=headers,
        )
        response = await self.http.send(request)
        self.statuses[response.status_code] += 1
        self.turns += response.headers.get("content-type", "").startswith("text/event-stream")
        check(wild, response)

    async def vitals(self, before: dict[str, Any] | None = None) -> dict[str, Any]:
        """How the process is, once nothing runs any more but what ran before."""
        deadline = time.monotonic() + 60
        while True:
            found = await self.server.vitals(self.http)
            left = before is not None and tasks_left(before, found)
            at_rest = not found["turns"] and not left
            if at_rest or time.monotonic() > deadline:
                return found
            await asyncio.sleep(0.1)


def _swapped(ids: dict[str, str]) -> dict[str, str]:
    other = {"own": "other", "other": "own"}
    return {f"{other[owner]}:{kind}": ids[f"{owner}:{kind}"] for owner, kind in map(_cut, ids)}


def _cut(place: str) -> tuple[str, str]:
    owner, kind = place.split(":")
    return owner, kind


def check(wild: Wild, response: httpx.Response) -> None:
    """Whether an answer is one that the protocol knows."""
    shown = f"{wild.method} {wild.path}: {response.status_code} {response.text[:500]}"
    assert response.status_code in {200, 201, 204, 307, *_REFUSALS}, shown
    kind = response.headers.get("content-type", "")
    if response.status_code in _REFUSALS:
        if wild.method != "HEAD":
            assert kind.startswith("application/json"), shown
            error = response.json()
            assert error.keys() == {"error"}, shown
            assert error["error"].keys() == {"code", "message"}, shown
            assert all(isinstance(value, str) and value for value in error["error"].values()), shown
        assert response.status_code not in _LATER or "retry-after" in response.headers, shown
    elif kind.startswith("text/event-stream"):
        assert response.text.endswith("\n\n"), shown
        for frame in response.text.removesuffix("\n\n").split("\n\n"):
            if frame != ": ping":
                assert frame.startswith("data: "), shown
                _EVENTS.validate_json(frame.removeprefix("data: "))
    elif kind.startswith("application/json"):
        response.json()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    # Examples are drawn by a function that is not asynchronous; they share one loop.
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def transcriber() -> Iterator[ScriptedTranscriber]:
    with ScriptedTranscriber("Where is the oven?") as transcriber:
        yield transcriber


def test_no_request_breaks_anything(
    database_url: str,
    docs_data: Path,
    folder: Path,
    runner: asyncio.Runner,
    transcriber: ScriptedTranscriber,
) -> None:
    count = scaled(10_000)

    async def start() -> tuple[World, Any]:
        running = ServerProcess.run(
            folder,
            module="tests.faults.observed",
            DATABASE_URL=database_url,
            CHATKIT_DATA_DIR=docs_data,
            CHATKIT_SECRET=SECRET,
            CHATKIT_ATTACHMENTS=folder / "files",
            CHATKIT_TRANSCRIPTION_MODEL="scripted",
            CHATKIT_TRANSCRIPTION_BASE_URL=transcriber.base_url,
        )
        world = World(await running.__aenter__(), httpx.AsyncClient(timeout=60))
        await world.refresh()
        return world, running

    world, running = runner.run(start())

    @seed(SEED)
    @settings(
        max_examples=count // AT_ONCE,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.lists(
            st.tuples(wild_requests(), st.sampled_from(OWNERS)), min_size=AT_ONCE, max_size=AT_ONCE
        )
    )
    def send(requests: list[tuple[Wild, str]]) -> None:
        async def together() -> None:
            await world.refresh()
            await asyncio.gather(*(world.send(wild, owner) for wild, owner in requests))

        runner.run(together())

    async def stop() -> None:
        await world.http.aclose()
        await running.__aexit__(None, None, None)

    try:
        before = runner.run(world.vitals())
        try:
            send()
        except Exception as error:
            error.add_note(world.server.complaints)
            raise
        after = runner.run(world.vitals(before))
    finally:
        runner.run(stop())

    left = tasks_left(before, after)
    grown = (after["rss"] - before["rss"]) / _MEGABYTE
    report(
        "Requests",
        sent=sum(world.statuses.values()),
        turns=world.turns,
        statuses=dict(sorted(world.statuses.items())),
        tasks_left=left.total(),
        grown=f"{grown:.0f} MB",
        broken=0,
    )
    assert sum(world.statuses.values()) >= count * 0.9
    assert {200, 400, 401, 404, 415} <= world.statuses.keys()
    assert not left
    assert after["turns"] == 0
    # What is loaded and cached on first use; a kilobyte left by each request would be 10 MB more.
    assert grown < 20
    assert "Traceback" not in world.server.log, world.server.log
    assert "ERROR" not in world.server.log, world.server.log
