"""Gives a collection that something else filled the vectors by which words are searched.

Payloads and other vectors stay as they are. What holds for the whole collection (the language and
the mean length of its texts) is kept in the collection's metadata. Nothing else is remembered:
a run compares each stored vector with the one that the text has now, and writes what differs. So
it goes on where another broke off, and takes in what was added, edited or mapped anew since.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from chatkit_tools.collection import LEXICAL
from chatkit_tools.errors import CollectionError, CollectionMismatchError
from chatkit_tools.layout import STATE, Layout
from chatkit_tools.lexical import Lexical, LexicalText, SparseVector, lexical_text
from chatkit_tools.mapped import MappedCollection, Point

_BATCH = 128
# Weights stay comparable while the mean length does not drift further than this.
_DRIFT = 0.25
# Qdrant keeps weights as floats of 32 bits.
_TOLERANCE = 1e-5
_FORMAT = 1
_TOO_OLD = (
    "the collection {name!r} can't gain lexical vectors: {reason}. Adding a vector to a collection"
    " takes Qdrant 1.18 or newer. On an older one, let what fills the collection make a new one"
    ' that has it from the start ("sparse_vectors": {{"lexical": {{"modifier": "idf"}}}}), and'
    " run this on that one, which takes Qdrant 1.16"
)

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class LexicalSummary:
    """What a run found, in points."""

    points: int
    written: int
    unchanged: int
    without_text: int
    gone: int
    """Deleted by somebody else while the run was under way."""
    mean_length: float
    language: str
    added_vector: bool
    """Whether the collection had no room for lexical vectors before."""


class LexicalRun:
    """One pass over a collection of others."""

    def __init__(
        self,
        collection: MappedCollection,
        lexical: Lexical,
        *,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self._collection = collection
        self._connection = collection.connection
        self._path = collection.path
        self._lexical = lexical
        self._dry_run = dry_run
        self._progress = progress or (lambda done, total: None)
        self._written = self._unchanged = self._without_text = self._gone = 0

    async def run(self) -> LexicalSummary:
        """Measure, weigh, and write what differs.

        Raises:
            CollectionMismatchError: the collection can't have such vectors.
            SearchUnavailableError: Qdrant does not answer.
        """
        collection = self._collection
        layout = await collection.layout()
        if layout is None:
            raise CollectionMismatchError(
                f"there is no collection {collection.name!r}; name the one that is to be searched"
                " in QDRANT_COLLECTION"
            )
        if await collection.is_ours():
            raise CollectionMismatchError(
                f"the collection {collection.name!r} was made by `chatkit-server index` and has"
                " lexical vectors; unset CHATKIT_COLLECTION_TEXT to search it"
            )
        has_vector = self._check(layout)
        mean, points = await self._measure(layout)
        if not points:
            raise CollectionMismatchError(
                f"no point of the collection {collection.name!r} has text in"
                f" {', '.join(collection.mapping.text)}; `chatkit-server doctor` proposes what to"
                " set in CHATKIT_COLLECTION_TEXT"
            )
        if not self._dry_run:
            if not has_vector:
                await self._add_vector()
            await self._note(mean, complete=False)
        await self._write_all(mean, layout.points, has_vector=has_vector)
        if not self._dry_run:
            await self._note(mean, complete=True)
        return LexicalSummary(
            points=self._written + self._unchanged + self._without_text + self._gone,
            written=self._written,
            unchanged=self._unchanged,
            without_text=self._without_text,
            gone=self._gone,
            mean_length=round(mean, 1),
            language=self._lexical.language,
            added_vector=not has_vector,
        )

    def _check(self, layout: Layout) -> bool:
        """Tell whether there is room for the vectors already, or refuse."""
        name = self._collection.name
        if any(vector.name == LEXICAL for vector in layout.dense):
            raise CollectionMismatchError(
                f"the collection {name!r} has a dense vector of the name {LEXICAL!r}, which is the"
                " name of ours, so it can't gain one"
            )
        if LEXICAL not in layout.sparse:
            return False
        if layout.sparse[LEXICAL] != "idf":
            raise CollectionMismatchError(
                f"the sparse vector {LEXICAL!r} of the collection {name!r} has not the modifier"
                " `idf`, without which rare words weigh no more than others; what made it must"
                " rename it or make it anew"
            )
        return True

    async def _measure(self, layout: Layout) -> tuple[float, int]:
        """Return the mean length to weigh by, and how many points have text."""
        total = count = done = 0
        async for point in self._collection.scroll_points():
            if text := self._text(point):
                total += self._lexical.count(text)
                count += 1
            done += 1
            self._progress(done, 2 * max(layout.points, done))
        mean = total / count if count else 1.0
        state = layout.lexical_state
        used = state.get("mean_length")
        same = state.get("language") == self._lexical.language and state.get("format") == _FORMAT
        if same and isinstance(used, int | float) and abs(mean - used) <= _DRIFT * used:
            return float(used), count
        return mean, count

    def _text(self, point: Point) -> LexicalText | None:
        read = self._collection.mapping.read(str(point.id), point.payload)
        return lexical_text(read["title"], read["headings"], read["text"]) if read["text"] else None

    async def _add_vector(self) -> None:
        name, path = self._collection.name, f"{self._path}/vectors/{LEXICAL}?wait=true"
        try:
            done = await self._connection.send("PUT", path, {"sparse": {"modifier": "idf"}})
        except CollectionError as exc:
            raise CollectionMismatchError(_TOO_OLD.format(name=name, reason=exc)) from exc
        if done is None:
            reason = "this version of Qdrant does not know the request"
            raise CollectionMismatchError(_TOO_OLD.format(name=name, reason=reason))

    async def _note(self, mean: float, *, complete: bool) -> None:
        state = {
            "format": _FORMAT,
            "language": self._lexical.language,
            "mean_length": mean,
            "complete": complete,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        await self._connection.send("PATCH", self._path, {"metadata": {STATE: {"lexical": state}}})
        layout = await self._collection.layout()
        if layout is None or layout.lexical_state != state:
            reason = "it keeps no metadata for a collection, which takes Qdrant 1.16"
            raise CollectionMismatchError(
                _TOO_OLD.format(name=self._collection.name, reason=reason)
            )

    async def _write_all(self, mean: float, total: int, *, has_vector: bool) -> None:
        batch: list[Point] = []
        done = 0
        async for point in self._collection.scroll_points(with_lexical=has_vector):
            batch.append(point)
            if len(batch) == _BATCH:
                await self._write(batch, mean)
                done += len(batch)
                self._progress(max(total, done) + done, 2 * max(total, done))
                batch = []
        await self._write(batch, mean)
        self._progress(1, 1)

    async def _write(self, points: Sequence[Point], mean: float) -> None:
        texts = [(point, text) for point in points if (text := self._text(point))]
        self._without_text += len(points) - len(texts)
        weights = self._lexical.weigh_texts([text for _, text in texts], mean)
        stale: list[dict[str, object]] = [
            {"id": point.id, "vector": {LEXICAL: weight}}
            for (point, _), weight in zip(texts, weights, strict=True)
            if not _is_same(point.lexical, weight)
        ]
        self._unchanged += len(texts) - len(stale)
        if not stale or self._dry_run:
            self._written += len(stale)
            return
        if not await self._send(stale):
            # What fills the collection has deleted some of them, and Qdrant refused the others.
            left = await self._present([point["id"] for point in stale])
            stale, before = [point for point in stale if point["id"] in left], len(stale)
            self._gone += before - len(stale)
            if stale and not await self._send(stale):
                raise CollectionError(
                    f"the collection {self._collection.name!r} changes faster than it can be"
                    " weighed, or was deleted meanwhile; run this again when nothing writes to it"
                )
        self._written += len(stale)

    async def _send(self, points: Sequence[dict[str, object]]) -> bool:
        path = f"{self._path}/points/vectors?wait=true"
        try:
            return await self._connection.send("PUT", path, {"points": list(points)}) is not None
        except CollectionError:
            ids = [point["id"] for point in points]
            if len(await self._present(ids)) == len(ids):
                raise
            return False

    async def _present(self, ids: Sequence[object]) -> set[object]:
        body = {"ids": list(ids), "with_payload": False}
        found = await self._connection.send("POST", f"{self._path}/points", body)
        return {point["id"] for point in found or ()}


def _is_same(stored: SparseVector | None, wanted: SparseVector) -> bool:
    if stored is None:
        # A text of stop words alone weighs nothing.
        return not wanted.indices
    if len(stored.indices) != len(wanted.indices):
        return False
    weights = dict(zip(wanted.indices, wanted.values, strict=True))
    return all(
        token in weights and math.isclose(value, weights[token], rel_tol=_TOLERANCE)
        for token, value in zip(stored.indices, stored.values, strict=True)
    )
