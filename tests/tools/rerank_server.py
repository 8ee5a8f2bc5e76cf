"""A small server that reranks in the forms of several services, by the words that texts share."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class RerankServer(ThreadingHTTPServer):
    """Scores a text by the share of the query's words that it has.

    `/v2/rerank` answers like Cohere, `/voyage` like Voyage, `/rerank` like Text Embeddings
    Inference; each refuses the others' requests. `says` is answered instead, and `hangs` holds
    every answer back until it is set.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.says: tuple[int, Any] | None = None
        self.hangs: threading.Event | None = None
        self.asked = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @classmethod
    @contextmanager
    def run(cls) -> Iterator["RerankServer"]:
        with cls() as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield server
            finally:
                if server.hangs:
                    server.hangs.set()
                server.shutdown()
                thread.join()


def _score(query: str, text: str) -> float:
    wanted = set(re.findall(r"\w+", query.lower()))
    return len(wanted & set(re.findall(r"\w+", text.lower()))) / len(wanted)


def _answer(path: str, body: dict[str, Any]) -> tuple[int, Any]:
    like_tei = path == "/rerank"
    if set(body) != (
        {"query", "texts", "truncate"} if like_tei else {"query", "documents", "model"}
    ):
        return 422, {"message": f"{path} does not take {sorted(body)}"}
    texts = body["texts" if like_tei else "documents"]
    # Best first, as all of them answer.
    scored = sorted(
        ((_score(body["query"], text), index) for index, text in enumerate(texts)), reverse=True
    )
    if like_tei:
        return 200, [{"index": index, "score": score} for score, index in scored]
    entries = [{"index": index, "relevance_score": score} for score, index in scored]
    if path == "/voyage":
        return 200, {"object": "list", "data": entries, "model": body["model"]}
    return 200, {"id": "1", "results": entries, "meta": {"api_version": {"version": "2"}}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: RerankServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        self.server.keys.add(self.headers["Authorization"])
        self.server.asked.set()
        if self.server.hangs:
            self.server.hangs.wait(120)
        status, answer = self.server.says or _answer(self.path, body)
        content = json.dumps(answer).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            self.wfile.write(content)
            self.wfile.flush()
        except ConnectionError:
            # Whoever asked did not wait.
            self.close_connection = True
