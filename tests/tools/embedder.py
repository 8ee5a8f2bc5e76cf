"""A small server that speaks `/v1/embeddings`, with vectors made of hashed words, and says OK."""

import json
import math
import re
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class EmbeddingServer(ThreadingHTTPServer):
    """`inputs` has every text that was embedded.

    `fails` makes it refuse requests with `status`, `refused` times, and repeat what it got.
    """

    daemon_threads = True
    # A client of many connections makes them while this process is busy with other things.
    request_queue_size = 128

    def __init__(self, size: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.size = size
        self.inputs: list[str] = []
        self.batches: list[int] = []
        self.keys: set[str | None] = set()
        self.fails = False
        self.status = 500
        self.refused = 0
        # What it takes of a text; longer ones are refused with all that came with them.
        self.longest: int | None = None
        # Words that count as one: what dense vectors find and words do not.
        self.synonyms: dict[str, str] = {}
        # Models whose vectors have nothing to do with those of the others.
        self.strange: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @classmethod
    @contextmanager
    def run(cls, size: int = 32) -> Iterator["EmbeddingServer"]:
        with cls(size) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield server
            finally:
                server.shutdown()
                thread.join()

    def embed(self, text: str, model: str = "") -> list[float]:
        vector = [0.0] * self.size
        for word in re.findall(r"\w+", text.lower()):
            known = self.synonyms.get(word, word)
            if model in self.strange:
                hashed = zlib.crc32(f"{model} {known}".encode())
                vector[hashed % self.size] += 1.0 if hashed & 0x1000 else -1.0
            else:
                vector[zlib.crc32(known.encode()) % self.size] += 1.0
        length = math.hypot(*vector) or 1.0
        return [value / length for value in vector]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: EmbeddingServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.keys.add(self.headers["Authorization"])
        if not self.server.fails and self.path == "/v1/chat/completions":
            self._chat()
            return
        sent = {"input": body.get("input"), "key": self.headers["Authorization"]}
        status, answer = (self.server.status, {"error": {"message": "out of order", **sent}})
        if not self.server.fails and self.path == "/v1/embeddings":
            assert body["encoding_format"] == "float"
            longest = self.server.longest
            if longest is not None and max(map(len, body["input"])) > longest:
                self.server.refused += 1
                status, answer = 400, {"error": {"message": "maximum context length exceeded"}}
            else:
                self.server.inputs += body["input"]
                self.server.batches.append(len(body["input"]))
                status, answer = 200, self._answer(body)
        else:
            self.server.refused += 1
        content = json.dumps(answer).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _chat(self) -> None:
        """A model that says OK, as a stream."""
        base = {"id": "chatcmpl_1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
        choices = [
            {"index": 0, "delta": {"role": "assistant", "content": "OK"}, "finish_reason": None},
            {"index": 0, "delta": {}, "finish_reason": "stop"},
        ]
        chunks = [json.dumps({**base, "choices": [choice]}) for choice in choices]
        content = "".join(f"data: {chunk}\n\n" for chunk in [*chunks, "[DONE]"]).encode()
        self.send_response_only(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, body: dict[str, Any]) -> dict[str, Any]:
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": self.server.embed(text, body["model"]),
            }
            for index, text in enumerate(body["input"])
        ]
        # Services are free in their order.
        data.reverse()
        usage = {"prompt_tokens": 0, "total_tokens": 0}
        return {"object": "list", "data": data, "model": body["model"], "usage": usage}
