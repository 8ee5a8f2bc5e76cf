"""What stands in for services that the pages name: a database, a search, a model, a website."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Self

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

    def website(self) -> str:
        """A small site with a sitemap."""
        return self._stack.enter_context(_website())


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
