"""What stands in for services that the pages name: a database, a search, a model, a website."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any, Self

import psycopg

from chatkit_server.testing import Say, ScriptedModel
from tests.fixtures.postgres import DatabaseServer, run_database_server
from tests.tools.embedder import EmbeddingServer
from tests.tools.rest import RestServer

SITE = {
    "robots.txt": "Sitemap: {url}/sitemap.xml\n",
    "sitemap.xml": '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
    "<url><loc>{url}/docs/intro.html</loc></url></urlset>",
    "docs/intro.html": "<!doctype html><html lang=en><title>Intro</title><main><h1>Intro</h1>"
    "<p>Lantern keeps feature flags.</p><h2 id=begin>Where to begin</h2>"
    "<p>Begin with the binary and put it where you find it.</p></main></html>",
    "index.html": "<!doctype html><html lang=en><title>Lantern</title><main><h1>Lantern</h1>"
    "<p>Feature flags for small teams.</p></main></html>",
}


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class StandIns:
    """Opened when a page first needs them, closed with the block."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._numbers = count(1)
        self._postgres: DatabaseServer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def database(self) -> str:
        """The address of a new, empty database."""
        if self._postgres is None:
            self._postgres = self._stack.enter_context(run_database_server())
        name = f"docs_{next(self._numbers)}"
        self._postgres.execute(f"create database {name}")
        return self._postgres.database(name)

    def execute(self, dsn: str, statement: str) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(statement.encode())

    def qdrant(self) -> str:
        return self._stack.enter_context(RestServer.run()).url

    def embeddings(self) -> str:
        return self._stack.enter_context(EmbeddingServer.run()).url

    def model(self) -> str:
        """A model that cites the first passage, whatever it is asked."""
        return self._stack.enter_context(ScriptedModel(Say("So the docs say [1]."))).base_url

    def hosted(self) -> str:
        """What OpenAI keeps of a hosted chat: a thread, and a file of a vector store."""
        server = self._stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), _Hosted))
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        self._stack.callback(thread.join)
        self._stack.callback(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}/v1"

    def website(self) -> str:
        """A small site with a sitemap."""
        return self._stack.enter_context(_website())


def _page(*data: dict[str, Any]) -> dict[str, Any]:
    return {"object": "list", "data": data, "has_more": False, "last_id": data[-1].get("id")}


def _item(kind: str, **fields: Any) -> dict[str, Any]:
    place = {"id": f"item_{kind}", "thread_id": "cthr_1", "created_at": 1_790_000_001}
    return {**place, "object": "chatkit.thread_item", "type": f"chatkit.{kind}", **fields}


_FILE = {"id": "shot", "name": "shot.png", "mime_type": "image/png", "type": "image"}
_URL = {"type": "url", "source": {"type": "url", "url": "https://docs.example.com/a"}}
_NAME = {"type": "file", "source": {"type": "file", "filename": "manual.pdf"}}
_PARTS = [
    {"type": "quoted_text", "text": "a scraper"},
    {"type": "input_text", "text": "What is it?"},
]
HOSTED: dict[str, dict[str, Any]] = {
    "/v1/chatkit/threads": _page(
        {
            "id": "cthr_1",
            "object": "chatkit.thread",
            "created_at": 1_790_000_000,
            "status": {"type": "locked", "reason": None},
            "title": None,
            "user": "3b241101-e2bb-4255-8caf-4136c566a962",
        }
    ),
    "/v1/chatkit/threads/cthr_1/items": _page(
        _item("user_message", content=_PARTS, attachments=[_FILE], inference_options=None),
        _item("widget", widget="{}"),
        _item(
            "assistant_message",
            content=[{"type": "output_text", "text": "A tool.", "annotations": [_URL, _NAME]}],
        ),
    ),
    "/v1/vector_stores/vs_123/files": _page(
        {"id": "file_1", "object": "vector_store.file", "vector_store_id": "vs_123"}
    ),
    "/v1/files/file_1": {"id": "file_1", "object": "file", "filename": "manual.pdf"},
    "/v1/vector_stores/vs_123/files/file_1/content": _page(
        {"type": "text", "text": "Screw the shelf to the wall."}
    ),
}


class _Hosted(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(HOSTED[self.path.partition("?")[0]]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _website() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="dx-www-") as folder:
        handler = partial(_Quiet, directory=folder)
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            url = f"http://127.0.0.1:{server.server_port}"
            for name, text in SITE.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text.replace("{url}", url))
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield url
            finally:
                server.shutdown()
                thread.join()
