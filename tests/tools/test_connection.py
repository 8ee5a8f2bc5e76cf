"""What a server that is no help is said to be."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chatkit_tools import CollectionError, SearchUnavailableError
from chatkit_tools.connection import connect_server


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, status: int, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.content = content
        self.keys: list[str | None] = []


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.keys.append(self.headers["api-key"])
        self.send_response_only(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.content)


@contextmanager
def serve(status: int, content: bytes = b"{}") -> Iterator[_Server]:
    with _Server(status, content) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "content", "error", "message"),
    [
        (401, b"{}", SearchUnavailableError, "refused the API key .401.; check QDRANT_API_KEY"),
        (403, b"{}", SearchUnavailableError, "refused the API key"),
        (503, b"busy", SearchUnavailableError, "failed .503.: busy"),
        (429, b"{}", SearchUnavailableError, "failed .429."),
        (400, b'{"status": {"error": "no such field"}}', CollectionError, "no such field"),
        (200, b"<html>", SearchUnavailableError, "did not answer as Qdrant does"),
        (200, b'{"other": 1}', SearchUnavailableError, "did not answer as Qdrant does"),
        (404, b"<h1>Not Found</h1>", SearchUnavailableError, "did not answer as Qdrant does"),
    ],
)
async def test_a_refusal_says_what_it_is(
    status: int, content: bytes, error: type[Exception], message: str
) -> None:
    with serve(status, content) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        async with connect_server(url, "secret") as connection:
            with pytest.raises(error, match=message):
                await connection.send("GET", "/collections/docs")

    assert server.keys == ["secret"]


async def test_nothing_there_is_no_error() -> None:
    with serve(404, b'{"status": {"error": "Not found: Collection `docs`"}}') as server:
        async with connect_server(f"http://127.0.0.1:{server.server_address[1]}") as connection:
            assert await connection.send("GET", "/collections/docs") is None


async def test_a_key_in_plain_sight_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    async with connect_server("http://127.0.0.1:6333", "secret"):
        pass
    async with connect_server("https://qdrant.example", "secret"):
        pass
    assert caplog.text == ""

    async with connect_server("http://qdrant.example", "secret"):
        pass

    assert "qdrant.example unencrypted" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("url", ["qdrant:6333", "ftp://me:secret@host", "http://", ""])
async def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must look like http://localhost:6333") as caught:
        async with connect_server(url):
            pass

    assert "secret" not in str(caught.value)
