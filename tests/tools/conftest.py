"""The places where a collection may live, each a parameter of the contract."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from chatkit_tools import OpenAIEmbeddings, reranking, searching
from tests.tools.clock import Clock
from tests.tools.embedder import EmbeddingServer
from tests.tools.place import Place
from tests.tools.rest import RestServer
from tests.tools.site import Site

# The `server` is there only where QDRANT_TEST_URL names one; nothing is skipped without it.
PLACES = ["engine", "local", *(["server"] if os.environ.get("QDRANT_TEST_URL") else [])]


@pytest.fixture(autouse=True)
def models_have_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is slow because the machine is busy is waited for, and a rest lasts a test."""
    for module in (reranking, searching):
        monkeypatch.setattr(module, "_PATIENCE", 600.0)
        monkeypatch.setattr(module, "_REST", 600.0)


@pytest.fixture(params=PLACES)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        if request.param == "engine":
            where: dict[str, Any] = {"data_dir": tmp_path / "data"}
        elif request.param == "local":
            where = {"url": stack.enter_context(RestServer.run()).url}
        else:
            where = {
                "url": os.environ["QDRANT_TEST_URL"],
                "api_key": os.environ.get("QDRANT_TEST_API_KEY"),
            }
        place = Place(where, stack)
        yield place
        await (await place.collection()).drop()


@pytest.fixture
def embedder() -> Iterator[EmbeddingServer]:
    with EmbeddingServer.run() as server:
        yield server


@pytest.fixture
async def embeddings(embedder: EmbeddingServer) -> AsyncIterator[OpenAIEmbeddings]:
    async with OpenAIEmbeddings("hashed", base_url=embedder.url) as opened:
        yield opened


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of the test's event loop, which stands still from now on."""
    loop = asyncio.get_running_loop()
    clock = Clock(loop)
    monkeypatch.setattr(loop, "time", clock.time)
    return clock


@pytest.fixture
def site() -> Iterator[Site]:
    with Site.run() as running:
        yield running
