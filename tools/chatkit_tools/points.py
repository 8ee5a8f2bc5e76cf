"""Writes the points of a collection: passages with their payloads and vectors, in batches."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from chatkit_tools.collection import DENSE, LEXICAL, Collection
from chatkit_tools.embeddings import Embeddings, failure
from chatkit_tools.errors import EmbeddingsError
from chatkit_tools.lexical import Lexical, SparseVector
from chatkit_tools.note import FORMAT, Note
from chatkit_tools.passage import Passage
from chatkit_tools.writer import Lease

# Weights stay comparable while the mean length does not drift further than this.
_DRIFT = 0.25
# Points in one request: with dense vectors about 2 MB of JSON.
_BATCH = 128
# Passages that are embedded at once.
AT_ONCE = 4 * _BATCH
_IDS = 1_000
_FIELDS = ("document", "page", "url", "title", "headings", "text", "position", "breadcrumbs")

T = TypeVar("T")


class Points:
    """The points of one collection, for the run that holds its lease."""

    def __init__(
        self,
        collection: Collection,
        lexical: Lexical,
        embeddings: Embeddings | None,
        lease: Lease,
    ) -> None:
        self._collection = collection
        self._lexical = lexical
        self._embeddings = embeddings
        self._lease = lease

    async def find_dense_size(self) -> int | None:
        """Return the length of the model's vectors, asking for one where it is not known yet."""
        if self._embeddings is None:
            return None
        if self._embeddings.size is None:
            (vector,) = await _embed(self._embeddings, ["size"])
            return len(vector)
        return self._embeddings.size

    async def write(
        self, passages: Sequence[Passage], payloads: Sequence[Mapping[str, Any]], note: Note
    ) -> Note:
        """Write passages whole; returns the note as it stands then."""
        for start in range(0, len(passages), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            points = await self._make(passages[part], payloads[part], note.mean_length)
            # To embed them may have taken longer than a lease lasts.
            await self._lease.check()
            for batch in _parts(points, _BATCH):
                await self._collection.upsert(batch)
            note = await self._lease.renew(note)
        return note

    async def _make(
        self, passages: Sequence[Passage], payloads: Sequence[Mapping[str, Any]], mean: float
    ) -> list[dict[str, Any]]:
        weights = await asyncio.to_thread(self._weights, passages, mean)
        points: list[dict[str, Any]] = [
            {"id": passage.id, "vector": {LEXICAL: weight}, "payload": payload}
            for passage, weight, payload in zip(passages, weights, payloads, strict=True)
        ]
        if self._embeddings:
            embedded = [passage.dense_text for passage in passages]
            vectors = await _embed(self._embeddings, embedded)
            for point, vector in zip(points, vectors, strict=True):
                point["vector"][DENSE] = vector
        return points

    def _weights(self, passages: Sequence[Passage], mean: float) -> list[SparseVector]:
        return self._lexical.weigh_texts([passage.lexical_text for passage in passages], mean)

    def are_ours(self, note: Note) -> bool:
        """Tell whether all of them were written in this form, with weights for our language."""
        return note.complete and note.language == self._lexical.language and note.format == FORMAT

    async def weigh_anew(self, note: Note, mean: float) -> Note:
        """Make all lexical weights anew where they no longer hold; returns the note then."""
        # At first the mean is that of the first pages.
        drift = _DRIFT if note.generation else 0.02
        drifted = abs(mean - note.mean_length) > drift * note.mean_length
        if self.are_ours(note) and not drifted:
            return note
        note = replace(note, complete=False, language=self._lexical.language, mean_length=mean)
        await self._collection.write_note(note)
        passages: list[Passage] = []
        async for id_, payload in self._collection.scroll(_FIELDS):
            passages.append(Passage.read(id_, payload))
            if len(passages) >= _BATCH:
                note = await self._weigh(passages, note)
                passages = []
        note = await self._weigh(passages, note)
        return replace(note, complete=True)

    async def _weigh(self, passages: Sequence[Passage], note: Note) -> Note:
        if not passages:
            return note
        weights = await asyncio.to_thread(self._weights, passages, note.mean_length)
        await self._collection.update_vectors(
            [
                {"id": passage.id, "vector": {LEXICAL: weight}}
                for passage, weight in zip(passages, weights, strict=True)
            ]
        )
        return await self._lease.renew(note)

    async def mark(self, ids: Sequence[str], generation: int) -> None:
        """Have points no longer seen from a generation on."""
        for part in _parts(ids, _IDS):
            await self._collection.set_payload(part, {"died": generation})

    async def unmark(self, ids: Sequence[str]) -> None:
        """Take back what `mark` did."""
        for part in _parts(ids, _IDS):
            await self._collection.delete_payload(part, ["died"])

    async def delete(self, ids: Sequence[str]) -> None:
        """Delete points for good."""
        for part in _parts(ids, _IDS):
            await self._collection.delete(part)


async def _embed(embeddings: Embeddings, texts: Sequence[str]) -> list[list[float]]:
    try:
        return await embeddings.embed(texts)
    except Exception as exc:  # services fail in ways of their own
        # Of a refusal only the kind: some services repeat the key in it.
        refused = getattr(exc, "status_code", None) in (401, 403)
        reason = failure(exc) if refused else str(exc).rstrip(". ") or type(exc).__name__
        raise EmbeddingsError(
            f"the embedding model {embeddings.model!r} failed: {reason}. What readers see was not"
            " changed; what was embedded is kept for the next run"
        ) from exc


def _parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
