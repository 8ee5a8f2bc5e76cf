"""While the search is down, the model answers without sources, and nobody waits for it."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from chatkit_server.breaker import Breaker
from chatkit_server.testing import Answer, Call, Say, ScriptedModel
from tests.fixtures.app import Client, StartServer


class DeadSearch(socketserver.ThreadingTCPServer):
    """Takes connections and closes them, as a load balancer does without a server behind it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.calls = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def process_request(self, *arguments: object) -> None:
        self.calls += 1
        super().process_request(*arguments)  # type: ignore[arg-type]


@pytest.fixture
def dead_search() -> Iterator[DeadSearch]:
    with DeadSearch() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_search_that_stays_down_is_left_in_peace(
    start_server: StartServer, dead_search: DeadSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than the questions take.
    monkeypatch.setattr("chatkit_server.search.Breaker", partial(Breaker, pause=600.0))
    script: list[Answer] = [
        *[Say("From memory.")] * 3,
        Call("search_docs", {"query": "neon"}),
        Say("Nothing."),
    ]
    with (
        ScriptedModel(*script) as model,
        start_server(
            qdrant_url=dead_search.url, openai_base_url=model.base_url, model="scripted"
        ) as url,
    ):
        client = Client(url)
        replies = [client.ask("How do I connect to Neon?") for _ in range(3)]
        tried = dead_search.calls
        last = client.ask("How do I connect to Neon?")
        left_alone = dead_search.calls
        ready = httpx.get(f"{url}/readyz")

    assert [reply.text for reply in (*replies, last)] == ["From memory."] * 3 + ["Nothing."]
    for reply in (*replies, last):
        assert reply.error is None
        assert "no sources" in reply.of("notice")[0]["message"]
    # Neither the first search nor the tool.
    assert left_alone == tried
    assert "search is not available" in model.requests[-1].text
    assert (ready.status_code, ready.json()["parts"]["search"]) == (200, "degraded")


def test_a_search_that_hangs_is_not_waited_for(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkit_server.search._SEARCH_WITHIN", 0.3)
    # The system takes connections, and nobody ever reads from them.
    with socket.create_server(("127.0.0.1", 0)) as hung:
        address = f"http://127.0.0.1:{hung.getsockname()[1]}"
        with (
            ScriptedModel(Say("From memory.")) as model,
            start_server(qdrant_url=address, openai_base_url=model.base_url, model="m") as url,
        ):
            began = time.monotonic()
            replies = [Client(url).ask("How do I connect to Neon?") for _ in range(4)]
            took = time.monotonic() - began

    for reply in replies:
        assert reply.text == "From memory."
        assert "no sources" in reply.of("notice")[0]["message"]
    # By itself, the client would wait for a minute.
    assert took < 50


def test_without_a_model_the_reader_is_asked_to_try_again(
    start_server: StartServer, dead_search: DeadSearch
) -> None:
    with start_server(qdrant_url=dead_search.url) as url:
        replies = [Client(url).ask("How do I connect to Neon?") for _ in range(4)]
        ready = httpx.get(f"{url}/readyz")

    for reply in replies:
        assert reply.error is not None
        assert "can't be searched right now" in reply.error["message"]
        assert reply.error["allow_retry"] is True
    assert (ready.status_code, ready.json()["parts"]["search"]) == (503, "down")
