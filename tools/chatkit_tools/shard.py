"""Answers the calls of Qdrant's REST interface that we use, from Qdrant Edge shards in a folder."""

import json
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qdrant_edge as edge

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}")
# Building a graph over 7,000 vectors of 1,536 numbers (43 MB) stops every search for 7 s and makes
# each one 1 ms faster afterwards. So it is left to collections that are some times larger.
_INDEXING_THRESHOLD_KB = 200_000
_DISTANCES = {
    "Cosine": edge.Distance.Cosine,
    "Dot": edge.Distance.Dot,
    "Euclid": edge.Distance.Euclid,
    "Manhattan": edge.Distance.Manhattan,
}


class RequestError(Exception):
    """A request that Qdrant would refuse, with the status it would give."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Shards:
    """The collections of one folder, each a shard and a `collection.json` with its vectors.

    Shards are loaded when first asked for. The engine holds Python's lock during every call, so
    calls wait for each other whatever thread they come from.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, edge.EdgeShard] = {}
        self._lock = threading.Lock()
        self._calls: dict[tuple[str, str], Callable[[str, dict[str, Any]], Any]] = {
            ("GET", ""): self._describe,
            ("PUT", ""): self._create,
            ("PATCH", ""): self._settle,
            ("DELETE", ""): self._drop,
            ("PUT", "/vectors/dense"): self._add_dense,
            ("PUT", "/points"): self._upsert,
            ("POST", "/points"): self._retrieve,
            ("PUT", "/points/vectors"): self._update_vectors,
            ("POST", "/points/delete"): self._delete,
            ("POST", "/points/scroll"): self._scroll,
            ("POST", "/points/count"): self._count,
            ("POST", "/points/query/batch"): self._query_batch,
        }

    def call(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """Return what stands in `result` of Qdrant's answer to the request."""
        found = re.fullmatch(r"/collections/([^/]+)(/.*)?", path)
        call = self._calls.get((method, found[2] or "")) if found else None
        if not found or not call:
            raise RequestError(404, f"{method} {path} is no call of the embedded engine")
        if not _NAME.fullmatch(found[1]):
            raise RequestError(
                400, f"{found[1]!r} is no collection name; use letters, digits, '.', '_' and '-'"
            )
        try:
            return call(found[1], body)
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise RequestError(400, f"{method} {path}: {type(exc).__name__}: {exc}") from exc

    def close(self) -> None:
        """Write everything to disk; nothing can be called afterwards."""
        with self._lock:
            for shard in self._open.values():
                shard.flush()
                shard.close()
            self._open.clear()

    def _config_file(self, name: str) -> Path:
        return self._folder / name / "collection.json"

    def _read_config(self, name: str) -> dict[str, Any]:
        try:
            config: dict[str, Any] = json.loads(self._config_file(name).read_bytes())
        except FileNotFoundError:
            raise RequestError(404, f"Not found: Collection `{name}` doesn't exist!") from None
        return config

    def _write_config(self, name: str, config: dict[str, Any]) -> None:
        file = self._config_file(name)
        written = file.with_suffix(".new")
        written.write_text(json.dumps(config, indent=1))
        written.replace(file)

    def _shard(self, name: str) -> edge.EdgeShard:
        with self._lock:
            if name not in self._open:
                self._read_config(name)
                self._open[name] = edge.EdgeShard.load(str(self._folder / name / "shard"))
            return self._open[name]

    def _describe(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        info = self._shard(name).info()
        return {
            "status": "green",
            "optimizer_status": "ok",
            "points_count": info.points_count,
            "indexed_vectors_count": info.indexed_vectors_count,
            "segments_count": info.segments_count,
            "config": {"params": self._read_config(name)},
        }

    def _create(self, name: str, body: dict[str, Any]) -> bool:
        vectors, sparse = body.get("vectors") or {}, body.get("sparse_vectors") or {}
        config = edge.EdgeConfig(
            vectors={key: _dense_params(value) for key, value in vectors.items()},
            sparse_vectors={key: _sparse_params(value) for key, value in sparse.items()},
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=_INDEXING_THRESHOLD_KB),
        )
        with self._lock:
            if self._config_file(name).exists():
                raise RequestError(409, f"Wrong input: Collection `{name}` already exists!")
            shard = self._folder / name / "shard"
            # What stands here without a collection.json is left from a creation that broke off.
            shutil.rmtree(shard, ignore_errors=True)
            shard.mkdir(parents=True)
            self._open[name] = edge.EdgeShard.create(str(shard), config)
            self._open[name].flush()
            self._write_config(name, {"vectors": vectors, "sparse_vectors": sparse})
        return True

    def _settle(self, name: str, body: dict[str, Any]) -> bool:
        # To a server the same request says: look again whether there is anything to optimize.
        shard = self._shard(name)
        shard.optimize()
        shard.flush()
        return True

    def _drop(self, name: str, body: dict[str, Any]) -> bool:
        with self._lock:
            shard = self._open.pop(name, None)
            if shard:
                shard.close()
            self._config_file(name).unlink(missing_ok=True)
            shutil.rmtree(self._folder / name, ignore_errors=True)
        return True

    def _add_dense(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        config, params = self._read_config(name), body["dense"]
        if "dense" in config["vectors"]:
            raise RequestError(409, f"Wrong input: Collection `{name}` has a vector `dense`")
        operation = edge.UpdateOperation.create_dense_vector(
            "dense", params["size"], _DISTANCES[params["distance"]]
        )
        self._shard(name).update(operation)
        config["vectors"]["dense"] = params
        self._write_config(name, config)
        return _DONE

    def _upsert(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        points = [
            edge.Point(point["id"], _vectors(point["vector"]), point.get("payload"))
            for point in body["points"]
        ]
        self._shard(name).update(edge.UpdateOperation.upsert_points(points))
        return _DONE

    def _update_vectors(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        points = [
            edge.PointVectors(point["id"], _vectors(point["vector"])) for point in body["points"]
        ]
        self._shard(name).update(edge.UpdateOperation.update_vectors(points))
        return _DONE

    def _delete(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        self._shard(name).update(edge.UpdateOperation.delete_points(body["points"]))
        return _DONE

    def _retrieve(self, name: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        found = self._shard(name).retrieve(body["ids"], body.get("with_payload", True), False)
        return [{"id": _id(record.id), "payload": record.payload} for record in found]

    def _scroll(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        points, following = self._shard(name).scroll(
            edge.ScrollRequest(
                offset=body.get("offset"),
                limit=body.get("limit", 10),
                with_payload=body.get("with_payload", True),
            )
        )
        return {
            "points": [{"id": _id(point.id), "payload": point.payload} for point in points],
            "next_page_offset": None if following is None else _id(following),
        }

    def _count(self, name: str, body: dict[str, Any]) -> dict[str, int]:
        (condition,) = body["filter"]["must_not"]
        without = edge.Filter(must_not=[edge.HasIdCondition(set(condition["has_id"]))])
        return {"count": self._shard(name).count(edge.CountRequest(exact=True, filter=without))}

    def _query_batch(self, name: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        requests = [
            edge.QueryRequest(
                limit=search.get("limit", 10),
                query=edge.Query.Nearest(_vector(search["query"]), using=search["using"]),
                with_payload=search.get("with_payload", False),
                with_vector=search.get("with_vector", False),
            )
            for search in body["searches"]
        ]
        answers = self._shard(name).query_batch(edge.QueryBatchRequest(requests))
        return [{"points": [_scored(point) for point in points]} for points in answers]


_DONE = {"status": "completed"}


def _dense_params(params: dict[str, Any]) -> edge.EdgeVectorParams:
    return edge.EdgeVectorParams(size=params["size"], distance=_DISTANCES[params["distance"]])


def _sparse_params(params: dict[str, Any]) -> edge.EdgeSparseVectorParams:
    modifier = params.get("modifier", "none")
    if modifier not in ("none", "idf"):
        raise RequestError(400, f"the modifier {modifier!r} is not known")
    return edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf if modifier == "idf" else None)


def _vector(value: Any) -> Any:
    if isinstance(value, dict):
        return edge.SparseVector(value["indices"], value["values"])
    return value


def _vectors(named: dict[str, Any]) -> dict[str, Any]:
    return {name: _vector(value) for name, value in named.items()}


def _id(value: Any) -> int | str:
    return value if isinstance(value, int) else str(value)


def _scored(point: edge.ScoredPoint) -> dict[str, Any]:
    scored: dict[str, Any] = {"id": _id(point.id), "score": point.score, "version": point.version}
    if point.payload is not None:
        scored["payload"] = point.payload
    if isinstance(point.vector, dict):
        scored["vector"] = {
            name: {"indices": list(value.indices), "values": list(value.values)}
            if isinstance(value, edge.SparseVector)
            else value
            for name, value in point.vector.items()
        }
    return scored
