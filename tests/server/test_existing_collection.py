"""A whole server over a collection that something else filled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from queue import Queue
from typing import Any

import httpx
import pytest

from chatkit_server.search import open_passages
from chatkit_server.settings import Settings, read_settings
from tests.fixtures.app import Client, StartServer
from tests.tools.embedder import EmbeddingServer
from tests.tools.foreign import langchain_style
from tests.tools.rest import RestServer


class Said(logging.Handler):
    """Waits for what a server logs."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: Queue[str] = Queue()

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            self.errors.put(record.getMessage())


@pytest.fixture
def embedder() -> Iterator[EmbeddingServer]:
    with EmbeddingServer.run() as server:
        yield server


@pytest.fixture
def filled(embedder: EmbeddingServer) -> Iterator[dict[str, Any]]:
    """The settings for a collection that is filled as LangChain does."""
    with ExitStack() as stack:
        qdrant = stack.enter_context(RestServer.run())
        langchain_style.main(qdrant.url, "handbook", embedder.url, "hashed")
        yield {
            "qdrant_url": qdrant.url,
            "qdrant_collection": "handbook",
            "collection_text": "page_content",
            "collection_url": "metadata.source",
            "collection_title": "metadata.Header 1",
            "collection_heading": "metadata.Header 2",
            "collection_root": "/home/ci/lantern/docs",
            "collection_base_url": "https://lantern.example/docs",
        }


async def add_lexical(settings: Settings) -> None:
    async with open_passages(settings) as passages:
        await passages.add_lexical()


def test_an_answer_cites_the_pages_that_the_payload_names(
    start_server: StartServer, filled: dict[str, Any]
) -> None:
    asyncio.run(add_lexical(read_settings(filled)))

    with start_server(**filled) as url:
        reply = Client(url).ask("How do I turn a flag off everywhere?")

    assert reply.error is None
    assert "turns a flag off everywhere" in reply.text
    assert reply.urls[0] == "https://lantern.example/docs/guides/rollouts#kill-switch"


def test_settings_that_do_not_fit_it_cost_the_sources_and_no_more(
    start_server: StartServer, filled: dict[str, Any]
) -> None:
    with start_server(**filled) as url:
        unsearchable = Client(url).ask("How do I turn a flag off everywhere?")
    with start_server(**filled, collection_vector="elsewhere") as url:
        misnamed = Client(url).ask("How do I turn a flag off everywhere?")
        ready = httpx.get(f"{url}/readyz")

    for reply in (unsearchable, misnamed):
        assert reply.error is not None
        assert "can't be searched right now" in reply.error["message"]
    assert (ready.status_code, ready.json()["parts"]["search"]) == (503, "down")


def test_a_server_says_after_its_start_that_the_model_is_another(
    start_server: StartServer, filled: dict[str, Any], embedder: EmbeddingServer
) -> None:
    embedder.strange.add("other")
    said = Said()
    logging.getLogger("chatkit_server").addHandler(said)
    try:
        with start_server(
            **filled, openai_base_url=embedder.url, model="none", embedding_model="other"
        ):
            first = said.errors.get(timeout=60)
    finally:
        logging.getLogger("chatkit_server").removeHandler(said)

    assert "are of another embedding model than 'other'" in first
