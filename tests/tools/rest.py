"""Qdrant's REST interface in front of qdrant-client's local mode.

Each body is read by qdrant-client's own models, which know every field of Qdrant's interface and
refuse others: what passes here is what a server would understand.
"""

import json
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydantic import TypeAdapter, ValidationError
from qdrant_client import QdrantClient, models

_DUMP = TypeAdapter(Any)
_POINTS: Any = TypeAdapter(models.PointIdsList | models.FilterSelector)
_VECTOR_NAME: Any = TypeAdapter(models.DenseVectorNameConfig | models.SparseVectorNameConfig)


class RestServer(ThreadingHTTPServer):
    """A local Qdrant on loopback; `requests` has method and path of all that was asked."""

    daemon_threads = True
    # A client of many connections makes them while this process is busy with other things.
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.client = QdrantClient(":memory:")
        self.lock = threading.Lock()
        self.requests: list[tuple[str, str]] = []
        # Beginnings of paths below a collection that a Qdrant of former days does not know.
        self.lacks: set[str] = set()
        # What happens just before a request is answered, once, by method and path below.
        self.before: dict[tuple[str, str], Callable[[], object]] = {}
        self.calls: dict[tuple[str, str], Callable[[str, bytes], Any]] = {
            ("GET", ""): lambda name, _: self.client.get_collection(name),
            ("PUT", ""): self._create,
            ("PATCH", ""): self._update,
            ("DELETE", ""): lambda name, _: self.client.delete_collection(name),
            ("PUT", "/index"): self._create_field_index,
            ("PUT", "/points"): self._upsert,
            ("POST", "/points"): self._retrieve,
            ("PUT", "/points/vectors"): self._update_vectors,
            ("POST", "/points/payload"): self._set_payload,
            ("POST", "/points/payload/delete"): self._delete_payload,
            ("POST", "/points/delete"): self._delete,
            ("POST", "/points/scroll"): self._scroll,
            ("POST", "/points/count"): self._count,
            ("POST", "/points/query/batch"): self._query,
            ("POST", "/facet"): self._facet,
        }

    def find(self, method: str, path: str) -> Callable[[str, bytes], Any]:
        if method == "PUT" and path.startswith("/vectors/"):
            return partial(self._add_vector, path.removeprefix("/vectors/"))
        return self.calls[method, path]

    def unknown(self, name: str, _: bytes) -> Any:
        raise ValueError(f"not found: what is asked of {name}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @classmethod
    @contextmanager
    def run(cls) -> Iterator["RestServer"]:
        with cls() as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield server
            finally:
                server.shutdown()
                thread.join()
                server.client.close()

    def _create(self, name: str, body: bytes) -> Any:
        asked = models.CreateCollection.model_validate_json(body)
        return self.client.create_collection(
            name,
            vectors_config=asked.vectors or {},
            sparse_vectors_config=asked.sparse_vectors,
        )

    def _update(self, name: str, body: bytes) -> Any:
        asked = models.UpdateCollection.model_validate_json(body)
        return self.client.update_collection(
            name, optimizers_config=asked.optimizers_config, metadata=asked.metadata
        )

    def _add_vector(self, vector: str, name: str, body: bytes) -> Any:
        asked: Any = _VECTOR_NAME.validate_json(body)
        return self.client.create_vector_name(name, vector, asked)

    def _create_field_index(self, name: str, body: bytes) -> Any:
        asked = models.CreateFieldIndex.model_validate_json(body)
        with warnings.catch_warnings():
            # The local mode has no payload indexes, and says so.
            warnings.simplefilter("ignore")
            return self.client.create_payload_index(name, asked.field_name, asked.field_schema)

    def _upsert(self, name: str, body: bytes) -> Any:
        return self.client.upsert(name, models.PointsList.model_validate_json(body).points)

    def _retrieve(self, name: str, body: bytes) -> Any:
        asked = models.PointRequest.model_validate_json(body)
        return self.client.retrieve(
            name,
            asked.ids,
            with_payload=True if asked.with_payload is None else asked.with_payload,
            with_vectors=asked.with_vector or False,
        )

    def _update_vectors(self, name: str, body: bytes) -> Any:
        asked = models.UpdateVectors.model_validate_json(body)
        return self.client.update_vectors(name, asked.points)

    def _set_payload(self, name: str, body: bytes) -> Any:
        asked = models.SetPayload.model_validate_json(body)
        return self.client.set_payload(name, asked.payload, _selector(asked))

    def _delete_payload(self, name: str, body: bytes) -> Any:
        asked = models.DeletePayload.model_validate_json(body)
        return self.client.delete_payload(name, asked.keys, _selector(asked))

    def _delete(self, name: str, body: bytes) -> Any:
        return self.client.delete(name, _POINTS.validate_json(body))

    def _facet(self, name: str, body: bytes) -> Any:
        asked = models.FacetRequest.model_validate_json(body)
        return self.client.facet(name, asked.key, asked.filter, asked.limit or 10)

    def _scroll(self, name: str, body: bytes) -> Any:
        asked = models.ScrollRequest.model_validate_json(body)
        points, following = self.client.scroll(
            name,
            limit=asked.limit or 10,
            offset=asked.offset,
            scroll_filter=asked.filter,
            with_payload=asked.with_payload or False,
            with_vectors=asked.with_vector or False,
        )
        return {"points": points, "next_page_offset": following}

    def _count(self, name: str, body: bytes) -> Any:
        asked = models.CountRequest.model_validate_json(body)
        return self.client.count(name, count_filter=asked.filter, exact=bool(asked.exact))

    def _query(self, name: str, body: bytes) -> Any:
        asked = models.QueryRequestBatch.model_validate_json(body)
        return self.client.query_batch_points(name, asked.searches)


def _selector(asked: models.SetPayload | models.DeletePayload) -> Any:
    return asked.filter if asked.points is None else asked.points


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: RestServer

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        self.server.requests.append((self.command, path))
        _, _, name, *rest = path.split("/")
        below = "/".join(["", *rest]) if rest else ""
        call = self.server.find(self.command, below)
        if happens := self.server.before.pop((self.command, below), None):
            happens()
        if any(below.startswith(lacking) for lacking in self.server.lacks):
            call = self.server.unknown
        answer: Any
        try:
            with self.server.lock:
                answer, status = {"result": call(name, body), "status": "ok", "time": 0.0}, 200
        except ValidationError as exc:
            answer, status = {"status": {"error": f"Format error in JSON body: {exc}"}}, 400
        except KeyError as exc:
            missing = f"Not found: No point with id {exc} found"
            answer, status = {"status": {"error": missing}}, 404
        except ValueError as exc:
            status = 404 if "not found" in str(exc) else 400
            answer = {"status": {"error": str(exc)}}
        content = json.dumps(_DUMP.dump_python(answer, mode="json")).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815
