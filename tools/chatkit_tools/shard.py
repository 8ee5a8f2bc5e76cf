"""Answers the calls of Qdrant's REST interface that we use, from Qdrant Edge shards in a folder."""

import json
import logging
import re
import shutil
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import qdrant_edge as edge

from chatkit_tools import bodies

logger = logging.getLogger("chatkit_tools.engine")

_VECTOR = re.compile(r"/vectors/([^/]+)")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}")
# Building a graph over 7,000 vectors of 1,536 numbers (43 MB) stops every search for 7 s and makes
# each one 1 ms faster afterwards. So it is left to collections that are some times larger.
_INDEXING_THRESHOLD_KB = 200_000
# The engine maps its files and is killed by the kernel when the disk has no room for a page of
# them, so a write is refused before that: room for its log's next part, and for the points.
_SPARE_BYTES = 40_000_000
_POINT_BYTES = 200_000


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
            ("PATCH", ""): self._patch,
            ("DELETE", ""): self._drop,
            ("PUT", "/index"): self._create_field_index,
            ("PUT", "/points"): self._upsert,
            ("POST", "/points"): self._retrieve,
            ("PUT", "/points/vectors"): self._update_vectors,
            ("POST", "/points/payload"): self._set_payload,
            ("POST", "/points/payload/delete"): self._delete_payload,
            ("POST", "/points/delete"): self._delete,
            ("POST", "/points/scroll"): self._scroll,
            ("POST", "/points/count"): self._count,
            ("POST", "/points/query/batch"): self._query_batch,
            ("POST", "/facet"): self._facet,
        }

    def call(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """Return what stands in `result` of Qdrant's answer to the request."""
        found = re.fullmatch(r"/collections/([^/]+)(/.*)?", path)
        call = self._calls.get((method, found[2] or "")) if found else None
        if found and not call and method == "PUT" and (named := _VECTOR.fullmatch(found[2] or "")):
            call = partial(self._add_vector, unquote(named[1]))
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
        info, config = self._shard(name).info(), self._read_config(name)
        return {
            "status": "green",
            "optimizer_status": "ok",
            "points_count": info.points_count,
            "indexed_vectors_count": info.indexed_vectors_count,
            "segments_count": info.segments_count,
            "config": {
                "params": {key: config[key] for key in ("vectors", "sparse_vectors")},
                "metadata": config.get("metadata"),
            },
            "payload_schema": {
                field: {"data_type": schema}
                for field, schema in config.get("payload_schema", {}).items()
            },
        }

    def _create(self, name: str, body: dict[str, Any]) -> bool:
        vectors, sparse = body.get("vectors") or {}, body.get("sparse_vectors") or {}
        config = edge.EdgeConfig(
            vectors={key: bodies.dense_params(value) for key, value in _by_name(vectors)},
            sparse_vectors={
                key: edge.EdgeSparseVectorParams(modifier=bodies.sparse_modifier(value))
                for key, value in sparse.items()
            },
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=_INDEXING_THRESHOLD_KB),
            # There is one segment to search, and to wake more threads takes longer than to do so.
            max_search_threads=1,
        )
        with self._lock:
            if self._config_file(name).exists():
                raise RequestError(409, f"Wrong input: Collection `{name}` already exists!")
            shard = self._folder / name / "shard"
            # What stands here without a collection.json is left from a creation that broke off.
            shutil.rmtree(shard, ignore_errors=True)
            shard.mkdir(parents=True)
            self._need_room(1)
            self._open[name] = edge.EdgeShard.create(str(shard), config)
            self._open[name].flush()
            self._write_config(name, {"vectors": vectors, "sparse_vectors": sparse})
        return True

    def _patch(self, name: str, body: dict[str, Any]) -> bool:
        if "metadata" in body:
            config = self._read_config(name)
            config["metadata"] = {**(config.get("metadata") or {}), **body["metadata"]}
            self._write_config(name, config)
            return True
        # To a server the same request says: look again whether there is anything to optimize.
        shard = self._shard(name)
        files = (self._folder / name / "shard" / "segments").rglob("*")
        # Segments are merged into a copy. Unmerged they are searched as well, if not as fast.
        if self._free() < _SPARE_BYTES + sum(file.stat().st_blocks * 512 for file in files):
            logger.warning("%s is not optimized: the disk is nearly full", name)
            return True
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

    def _add_vector(self, vector: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        config = self._read_config(name)
        if vector in config["vectors"] or vector in config["sparse_vectors"]:
            raise RequestError(409, f"Wrong input: Collection `{name}` has a vector `{vector}`")
        if "dense" in body:
            params, kind = body["dense"], "vectors"
            operation = edge.UpdateOperation.create_dense_vector(
                vector, params["size"], bodies.DISTANCES[params["distance"]]
            )
        else:
            params, kind = body["sparse"], "sparse_vectors"
            operation = edge.UpdateOperation.create_sparse_vector(
                vector, bodies.sparse_modifier(params)
            )
        self._shard(name).update(operation)
        with self._lock:
            config = self._read_config(name)
            config[kind][vector] = params
            self._write_config(name, config)
        return _DONE

    def _create_field_index(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        field, schema = body["field_name"], body["field_schema"]
        self._shard(name).update(
            edge.UpdateOperation.create_field_index(field, bodies.FIELD_TYPES[schema])
        )
        with self._lock:
            config = self._read_config(name)
            config.setdefault("payload_schema", {})[field] = schema
            self._write_config(name, config)
        return _DONE

    def _upsert(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        self._need_room(len(body["points"]))
        points = [
            edge.Point(point["id"], bodies.vectors(point["vector"]), point.get("payload"))
            for point in body["points"]
        ]
        return self._update(name, edge.UpdateOperation.upsert_points(points))

    def _need_room(self, points: int) -> None:
        free = self._free()
        if free < _SPARE_BYTES + points * _POINT_BYTES:
            raise RequestError(507, f"the disk is full ({free // 1_000_000} MB left); make room")

    def _free(self) -> int:
        return shutil.disk_usage(self._folder).free

    def _update_vectors(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        self._need_room(len(body["points"]))
        points = [
            edge.PointVectors(point["id"], bodies.vectors(point["vector"]))
            for point in body["points"]
        ]
        return self._update(name, edge.UpdateOperation.update_vectors(points))

    def _set_payload(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._update(name, edge.UpdateOperation.set_payload(body["points"], body["payload"]))

    def _delete_payload(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._update(name, edge.UpdateOperation.delete_payload(body["points"], body["keys"]))

    def _delete(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        if found := bodies.filter_of(body.get("filter")):
            operation = edge.UpdateOperation.delete_points_by_filter(found)
        else:
            operation = edge.UpdateOperation.delete_points(body["points"])
        return self._update(name, operation)

    def _update(self, name: str, operation: edge.UpdateOperation) -> dict[str, Any]:
        self._shard(name).update(operation)
        return _DONE

    def _retrieve(self, name: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        found = self._shard(name).retrieve(
            body["ids"], body.get("with_payload", True), body.get("with_vector", False)
        )
        return [bodies.point_json(record) for record in found]

    def _scroll(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        points, following = self._shard(name).scroll(
            edge.ScrollRequest(
                offset=body.get("offset"),
                limit=body.get("limit", 10),
                filter=bodies.filter_of(body.get("filter")),
                with_payload=body.get("with_payload", True),
                with_vector=body.get("with_vector", False),
            )
        )
        return {
            "points": [bodies.point_json(point) for point in points],
            "next_page_offset": following,
        }

    def _count(self, name: str, body: dict[str, Any]) -> dict[str, int]:
        wanted = bodies.filter_of(body.get("filter"))
        return {"count": self._shard(name).count(edge.CountRequest(exact=True, filter=wanted))}

    def _facet(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        found = self._shard(name).facet(
            edge.FacetRequest(
                body["key"],
                limit=body.get("limit", 10),
                exact=True,
                filter=bodies.filter_of(body.get("filter")),
            )
        )
        return {"hits": [{"value": hit.value, "count": hit.count} for hit in found.hits]}

    def _query_batch(self, name: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        requests = [bodies.query_request(search) for search in body["searches"]]
        answers = self._shard(name).query_batch(edge.QueryBatchRequest(requests))
        return [{"points": [bodies.point_json(point) for point in points]} for points in answers]


_DONE = {"status": "completed"}


def _by_name(vectors: dict[str, Any]) -> list[tuple[str, Any]]:
    # One vector without a name is described by itself, and goes by the empty name.
    return [("", vectors)] if "size" in vectors else list(vectors.items())
