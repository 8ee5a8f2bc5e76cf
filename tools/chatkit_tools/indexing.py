"""Brings a collection in line with a folder of documents."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chatkit_tools.collection import DENSE, LEXICAL, Collection, Shape
from chatkit_tools.documents import Document, UnreadableDocument, read_documents
from chatkit_tools.embeddings import Embeddings
from chatkit_tools.errors import CollectionError, CollectionMismatchError
from chatkit_tools.lexical import Lexical
from chatkit_tools.passage import Passage, make_passages

# Raised when stored points need another form; collections of an older one are written anew.
_FORMAT = 1
# Weights stay comparable while the mean length does not drift further than this.
_DRIFT = 0.25
# Points in one request: with dense vectors about 2 MB of JSON.
_BATCH = 128

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """What an index run found: documents by what became of them, passages in the end.

    `changed` counts a document too that is written again for another reason, such as dense
    vectors that it did not have.
    """

    added: int
    changed: int
    unchanged: int
    removed: int
    passages: int
    unreadable: tuple[UnreadableDocument, ...]


@dataclass(frozen=True, slots=True)
class _Source:
    document: Document
    passages: list[Passage]
    lengths: list[int]


@dataclass(slots=True)
class _Stored:
    """What the collection has of one document."""

    ids: set[str] = field(default_factory=set)
    states: set[tuple[str, str | None, int]] = field(default_factory=set)
    length: int = 0

    def is_current(self, hash_: str, model: str | None, count: int) -> bool:
        # A run that broke off leaves points of two states, or too few.
        if len(self.ids) != count or len(self.states) != 1:
            return False
        ((stored_hash, stored_model, stored_count),) = self.states
        has_vectors = model is None or stored_model == model
        return stored_hash == hash_ and stored_count == count and has_vectors


class IndexRun:
    """One pass over a folder."""

    def __init__(
        self, collection: Collection, lexical: Lexical, embeddings: Embeddings | None
    ) -> None:
        self._collection = collection
        self._lexical = lexical
        self._embeddings = embeddings
        self._model = embeddings.model if embeddings else None
        self._wrote = False

    async def index(
        self, folder: Path, base_url: str, trailing_slash: bool, progress: Progress | None
    ) -> IndexSummary:
        """Read, compare, write what differs, delete what is gone."""
        sources, unreadable = await asyncio.to_thread(self._read, folder, base_url, trailing_slash)
        if not sources:
            # A wrong path, or a check-out that failed, must not empty what readers search in.
            raise CollectionError(
                f"{folder} has no Markdown document that can be read; nothing was changed"
            )
        await self._prepare()
        stored = await self._load()
        kept = {document.path for document in unreadable}
        mean, reweigh = await self._settle_mean(sources, stored, kept)

        current = {
            source.document.path
            for source in sources
            if (found := stored.get(source.document.path))
            and found.is_current(source.document.hash, self._model, len(source.passages))
        }
        total, done = len(sources), 0
        for group in _group(sources):
            stale = [source for source in group if source.document.path not in current]
            await self._write(stale, stored, mean)
            if reweigh:
                same = [source for source in group if source.document.path in current]
                await self._reweigh(same, mean)
            done += len(group)
            if progress:
                progress(done, total)
        present = {source.document.path for source in sources}
        removed = [path for path in stored if path not in present and path not in kept]
        await self._delete([point for path in removed for point in stored[path].ids])
        if reweigh:
            await self._write_note(mean, complete=True)
        if self._wrote:
            await self._collection.settle()
        return IndexSummary(
            added=len(present - set(stored)),
            changed=len(present & set(stored)) - len(current),
            unchanged=len(current),
            removed=len(removed),
            passages=await self._collection.count(),
            unreadable=tuple(unreadable),
        )

    def _read(
        self, folder: Path, base_url: str, trailing_slash: bool
    ) -> tuple[list[_Source], list[UnreadableDocument]]:
        sources: list[_Source] = []
        unreadable: list[UnreadableDocument] = []
        for document in read_documents(folder, base_url, trailing_slash=trailing_slash):
            if isinstance(document, UnreadableDocument):
                unreadable.append(document)
                continue
            passages = make_passages(document)
            lengths = [self._lexical.count(passage.lexical_text) for passage in passages]
            # A page without text has no passages, so nothing tells later that it was seen.
            if passages:
                sources.append(_Source(document, passages, lengths))
        return sources, unreadable

    async def _prepare(self) -> None:
        """Make the collection, or make sure that this one is for us."""
        size = await find_size(self._embeddings) if self._embeddings else None
        shape = await self._collection.shape()
        if shape is None:
            await self._collection.create(size)
            return
        if size is not None:
            check_size(self._collection.name, shape, size)
        note = await self._collection.read_note()
        if (note is None and shape.points) or (note and note.get("format") != _FORMAT):
            raise CollectionMismatchError(
                f"the collection {self._collection.name!r} holds points that were not written by"
                " this version; name another one in QDRANT_COLLECTION, it is made when missing"
            )
        if size is not None and shape.dense_size is None:
            await self._collection.add_dense(size)

    async def _load(self) -> dict[str, _Stored]:
        stored: dict[str, _Stored] = {}
        fields = ("document", "hash", "model", "passages", "length")
        async for id_, payload in self._collection.scroll(fields):
            document = stored.setdefault(payload["document"], _Stored())
            document.ids.add(id_)
            document.states.add((payload["hash"], payload["model"], payload["passages"]))
            document.length += payload["length"]
        return stored

    async def _settle_mean(
        self, sources: Sequence[_Source], stored: dict[str, _Stored], kept: set[str]
    ) -> tuple[float, bool]:
        """Return the mean length to weigh by, and whether all weights must be made anew."""
        lengths = [length for source in sources for length in source.lengths]
        total = sum(lengths) + sum(stored[path].length for path in kept & set(stored))
        count = len(lengths) + sum(len(stored[path].ids) for path in kept & set(stored))
        mean = total / count if count else 1.0
        note = await self._collection.read_note()
        # The note comes first: it is what says of a run that broke off that this is our collection.
        if note is None:
            await self._write_note(mean, complete=True)
            return mean, False
        used = float(note["mean_length"])
        same_words = note["language"] == self._lexical.language
        drifted = bool(count) and abs(mean - used) > _DRIFT * used
        if same_words and note["complete"] and not drifted:
            return used, False
        await self._write_note(mean, complete=False)
        return mean, True

    async def _write_note(self, mean: float, *, complete: bool) -> None:
        self._wrote = True
        await self._collection.write_note(
            {
                "format": _FORMAT,
                "language": self._lexical.language,
                "mean_length": mean,
                "complete": complete,
            }
        )

    async def _write(
        self, sources: Sequence[_Source], stored: dict[str, _Stored], mean: float
    ) -> None:
        passages = [passage for source in sources for passage in source.passages]
        payloads = [payload for source in sources for payload in self._payloads(source)]
        for start in range(0, len(passages), _BATCH):
            part = slice(start, start + _BATCH)
            await self._collection.upsert(
                await self._make_points(passages[part], payloads[part], mean)
            )
            self._wrote = True
        written = {passage.id for passage in passages}
        before = {
            point
            for source in sources
            if (found := stored.get(source.document.path))
            for point in found.ids
        }
        await self._delete(sorted(before - written))

    def _payloads(self, source: _Source) -> Iterator[dict[str, Any]]:
        state = {
            "hash": source.document.hash,
            "model": self._model,
            "passages": len(source.passages),
        }
        for passage, length in zip(source.passages, source.lengths, strict=True):
            payload = asdict(passage) | state | {"length": length}
            del payload["id"]
            yield payload

    async def _make_points(
        self, passages: Sequence[Passage], payloads: Sequence[dict[str, Any]], mean: float
    ) -> list[dict[str, Any]]:
        weights = self._lexical.weigh_texts([passage.lexical_text for passage in passages], mean)
        points: list[dict[str, Any]] = [
            {"id": passage.id, "vector": {LEXICAL: asdict(weight)}, "payload": payload}
            for passage, weight, payload in zip(passages, weights, payloads, strict=True)
        ]
        if self._embeddings:
            vectors = await self._embeddings.embed([passage.dense_text for passage in passages])
            for point, vector in zip(points, vectors, strict=True):
                point["vector"][DENSE] = vector
        return points

    async def _reweigh(self, sources: Sequence[_Source], mean: float) -> None:
        passages = [passage for source in sources for passage in source.passages]
        for start in range(0, len(passages), _BATCH):
            part = passages[start : start + _BATCH]
            weights = self._lexical.weigh_texts([passage.lexical_text for passage in part], mean)
            await self._collection.update_vectors(
                [
                    {"id": passage.id, "vector": {LEXICAL: asdict(weight)}}
                    for passage, weight in zip(part, weights, strict=True)
                ]
            )
            self._wrote = True

    async def _delete(self, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), _BATCH * 8):
            await self._collection.delete(ids[start : start + _BATCH * 8])
            self._wrote = True


async def find_size(embeddings: Embeddings) -> int:
    """Return the length of the model's vectors, asking for one where it is not known yet."""
    if embeddings.size is None:
        (vector,) = await embeddings.embed(["size"])
        return len(vector)
    return embeddings.size


def check_size(name: str, shape: Shape, size: int) -> None:
    """Refuse a collection whose dense vectors have another length."""
    if shape.dense_size not in (None, size):
        raise CollectionMismatchError(
            f"the collection {name!r} holds dense vectors of {shape.dense_size} numbers, and the"
            f" embedding model gives {size}; set the former model again, or name a new"
            " collection in QDRANT_COLLECTION and index into it"
        )


def _group(sources: Sequence[_Source]) -> Iterator[list[_Source]]:
    """Yield documents in groups that fill a request."""
    group: list[_Source] = []
    size = 0
    for source in sources:
        group.append(source)
        size += len(source.passages)
        if size >= _BATCH:
            yield group
            group, size = [], 0
    if group:
        yield group
