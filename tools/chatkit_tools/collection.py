"""One Qdrant collection of passages, over the REST interface that server and engine share."""

from collections.abc import AsyncIterator, Sequence, Set
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from chatkit_tools.connection import Connection
from chatkit_tools.errors import CollectionError, CollectionMismatchError
from chatkit_tools.lexical import SparseVector
from chatkit_tools.note import Filter, Note
from chatkit_tools.passage import PAGE_DIGITS, Passage

LEXICAL = "lexical"
DENSE = "dense"
# What filters ask for: without an index, a filter reads the payload of every point.
_FIELDS = {
    "born": "integer",
    "died": "integer",
    "version": "keyword",
    "locale": "keyword",
    "model": "keyword",
}
# The point that keeps what holds for the whole collection. It has no vectors, so no query finds it.
NOTE_ID = "c4a7c017-0000-4000-8000-000000000001"
_SCROLL = 1_000
# How many points are looked at to find a few that can be compared.
SAMPLED = 24


@dataclass(frozen=True, slots=True)
class Shape:
    """What a collection can hold: `dense_size` is None while it has lexical vectors alone."""

    dense_size: int | None
    points: int
    fields: frozenset[str] = frozenset()
    """The fields of the payload that have an index."""
    lexical: bool = True
    """Whether words can be searched, which only a collection of others may lack."""


@dataclass(frozen=True, slots=True)
class Found:
    """A point that a query found; `Collection.complete` gives it a payload where it has none."""

    id: str
    score: float
    payload: dict[str, Any]
    lexical: SparseVector | None = None

    @property
    def page(self) -> str:
        """Stands for the page that the point is of, among points that were found alike."""
        return str(self.payload.get("page") or self.id[:PAGE_DIGITS])


@dataclass(frozen=True, slots=True)
class Query:
    """One of the searches that are sent together."""

    vector: SparseVector | list[float]
    limit: int
    filter: Filter | None = None
    with_payload: bool = True
    with_lexical: bool = False


class Collection:
    """The calls that passages need, and no other."""

    def __init__(self, name: str, connection: Connection) -> None:
        self.name = name
        self._connection = connection
        self._path = f"/collections/{quote(name, safe='')}"

    async def shape(self) -> Shape | None:
        """Return the collection's shape, None when there is none, or refuse a foreign one."""
        info = await self._connection.send("GET", self._path)
        if info is None:
            return None
        params = info["config"]["params"]
        vectors = params.get("vectors") or {}
        sparse = (params.get("sparse_vectors") or {}).get(LEXICAL)
        dense = vectors.get(DENSE)
        has_other_vectors = set(vectors) - {DENSE} or (dense and dense["distance"] != "Cosine")
        if not sparse or sparse.get("modifier") != "idf" or has_other_vectors:
            raise self._foreign()
        fields = frozenset(info.get("payload_schema") or ())
        return Shape(dense["size"] if dense else None, info.get("points_count") or 0, fields)

    def _foreign(self) -> CollectionMismatchError:
        return CollectionMismatchError(
            f"the collection {self.name!r} was not made for passages of documents; to search it"
            " as it is, run `chatkit-server doctor`, which proposes how to map its fields; to index"
            " documents, name another one in QDRANT_COLLECTION, it is made when it is missing"
        )

    async def create(self, dense_size: int | None = None) -> None:
        """Make the collection, unless somebody else just did."""
        body: dict[str, Any] = {"sparse_vectors": {LEXICAL: {"modifier": "idf"}}}
        if dense_size:
            body["vectors"] = {DENSE: _dense(dense_size)}
        try:
            await self._connection.send("PUT", self._path, body)
        except CollectionError:
            if await self.shape() is None:
                raise

    async def create_field_indexes(self, present: Set[str] = frozenset()) -> None:
        """Have the fields indexed that filters ask for."""
        for field, schema in _FIELDS.items():
            if field not in present:
                await self._write("PUT", "/index", {"field_name": field, "field_schema": schema})

    async def add_dense(self, size: int) -> None:
        """Give a lexical collection room for dense vectors."""
        try:
            done = await self._connection.send(
                "PUT", f"{self._path}/vectors/{DENSE}", {"dense": _dense(size)}
            )
        except CollectionError as exc:
            done, reason = None, str(exc)
        else:
            reason = "this version of Qdrant cannot add vectors to a collection"
        if done is None:
            shape = await self.shape()
            if shape and shape.dense_size == size:
                return
            raise CollectionMismatchError(
                f"the collection {self.name!r} has lexical vectors alone and cannot gain dense"
                f" ones ({reason}); name a new one in QDRANT_COLLECTION and index again"
            )

    async def drop(self) -> None:
        """Delete the collection with everything in it."""
        await self._connection.send("DELETE", self._path)

    async def read_note(self) -> Note | None:
        """Return what `write_note` kept, None where nothing was."""
        found = await self._connection.send(
            "POST", f"{self._path}/points", {"ids": [NOTE_ID], "with_payload": True}
        )
        return Note.read(found[0].get("payload") or {}) if found else None

    async def write_note(self, note: Note) -> None:
        """Keep what holds for the whole collection."""
        await self.upsert([{"id": NOTE_ID, "vector": {}, "payload": note.payload()}])

    async def upsert(self, points: Sequence[dict[str, Any]]) -> None:
        """Write points whole."""
        await self._write("PUT", "/points", {"points": list(points)})

    async def update_vectors(self, points: Sequence[dict[str, Any]]) -> None:
        """Replace the named vectors of points, and leave the rest of them."""
        await self._write("PUT", "/points/vectors", {"points": list(points)})

    async def set_payload(self, ids: Sequence[str], payload: dict[str, Any]) -> None:
        """Set fields of points, and leave the rest of them."""
        await self._write("POST", "/points/payload", {"points": list(ids), "payload": payload})

    async def delete_payload(self, ids: Sequence[str], fields: Sequence[str]) -> None:
        """Take fields from points."""
        body = {"points": list(ids), "keys": list(fields)}
        await self._write("POST", "/points/payload/delete", body)

    async def delete(self, ids: Sequence[str]) -> None:
        """Delete points."""
        await self._write("POST", "/points/delete", {"points": list(ids)})

    async def settle(self) -> None:
        """Have what was written optimized and put on disk."""
        await self._connection.send("PATCH", self._path, {"optimizers_config": {}})

    async def _write(self, method: str, path: str, body: dict[str, Any]) -> None:
        # Waited for: what was reported as indexed must be found by the next search.
        if await self._connection.send(method, f"{self._path}{path}?wait=true", body) is None:
            raise CollectionError(f"the collection {self.name!r} was deleted meanwhile")

    async def scroll(
        self, fields: Sequence[str], found: Filter | None = None
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Yield the id of every passage that a filter finds, with these fields of its payload."""
        following: str | int | None = None
        while True:
            body: dict[str, Any] = {"limit": _SCROLL, "with_payload": list(fields)}
            if found:
                body["filter"] = found
            if following is not None:
                body["offset"] = following
            page = await self._connection.send("POST", f"{self._path}/points/scroll", body)
            for point in page["points"] if page else ():
                if point["id"] != NOTE_ID:
                    yield str(point["id"]), point.get("payload") or {}
            following = page["next_page_offset"] if page else None
            if following is None:
                return

    async def sample_dense(self, model: str) -> list[tuple[str, Sequence[float]]]:
        """Return a few texts, as they were embedded by that model, with their dense vectors."""
        body: dict[str, Any] = {
            "limit": SAMPLED,
            "with_payload": True,
            "with_vector": [DENSE],
            "filter": {"must": [{"key": "model", "match": {"value": model}}]},
        }
        page = await self._connection.send("POST", f"{self._path}/points/scroll", body)
        return [
            (Passage.read(str(point["id"]), point["payload"]).dense_text, vector)
            for point in (page["points"] if page else ())
            if point["id"] != NOTE_ID and (vector := (point.get("vector") or {}).get(DENSE))
        ]

    async def count(self, found: Filter) -> int:
        """Count the passages that a filter finds."""
        body = {"exact": True, "filter": found}
        answer = await self._connection.send("POST", f"{self._path}/points/count", body)
        return int(answer["count"]) if answer else 0

    async def query(self, queries: Sequence[Query]) -> tuple[Note | None, list[list[Found]]]:
        """Send queries together, and ask for the note with them.

        Every answer is empty, and the note None, where there is no collection. What a near engine
        finds has no payload yet: to read one takes it as long as to find ten points.
        """
        # The note comes last: passages that a run deletes after it changed the note are then there
        # still for whoever reads the note from before.
        later = self._connection.near
        searches = [*(_search(query, later) for query in queries), _NOTE_QUERY]
        answers = await self._connection.send(
            "POST", f"{self._path}/points/query/batch", {"searches": searches}
        )
        if answers is None:
            return None, [[] for _ in queries]
        *found, noted = [answer["points"] for answer in answers]
        note = Note.read(noted[0].get("payload") or {}) if noted else None
        return note, [[_found(point) for point in points] for points in found]

    async def complete(self, points: Sequence[Found]) -> list[Found]:
        """Give points their payloads and lexical vectors; those that are gone are left out."""
        bare = [point.id for point in points if not point.payload]
        if not bare:
            return list(points)
        body = {"ids": bare, "with_payload": True, "with_vector": [LEXICAL]}
        answer = await self._connection.send("POST", f"{self._path}/points", body)
        read = {str(point["id"]): point for point in answer or ()}
        return [
            point if point.payload else _found({**read[point.id], "score": point.score})
            for point in points
            if point.payload or point.id in read
        ]


_NOTE_QUERY = {"filter": {"must": [{"has_id": [NOTE_ID]}]}, "limit": 1, "with_payload": True}


def _search(query: Query, later: bool) -> dict[str, Any]:
    lexical = isinstance(query.vector, SparseVector)
    search: dict[str, Any] = {
        "query": query.vector,
        "using": LEXICAL if lexical else DENSE,
        "limit": query.limit,
        "with_payload": query.with_payload and not later,
        "with_vector": [LEXICAL] if query.with_lexical else False,
    }
    return search | {"filter": query.filter} if query.filter else search


def _dense(size: int) -> dict[str, Any]:
    return {"size": size, "distance": "Cosine"}


def _found(point: dict[str, Any]) -> Found:
    lexical = (point.get("vector") or {}).get(LEXICAL)
    return Found(
        str(point["id"]),
        float(point["score"]),
        point.get("payload") or {},
        SparseVector(lexical["indices"], lexical["values"]) if lexical else None,
    )
