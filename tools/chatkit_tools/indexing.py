"""Brings a collection in line with a source of documents."""

import asyncio
import contextlib
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any, TypeVar

from chatkit_tools.collection import DENSE, LEXICAL, Collection, Shape
from chatkit_tools.editions import order_locales, order_versions
from chatkit_tools.embeddings import Embeddings, failure
from chatkit_tools.errors import (
    CollectionError,
    CollectionMismatchError,
    EmbeddingsError,
    SourceError,
)
from chatkit_tools.lexical import Lexical, SparseVector
from chatkit_tools.note import FORMAT, Note
from chatkit_tools.passage import Passage, make_passages
from chatkit_tools.source import (
    Document,
    Read,
    SkippedDocument,
    Source,
    UnchangedDocument,
    UnreadableDocument,
)
from chatkit_tools.stored import Edition, Stored
from chatkit_tools.writer import Lease

# Weights stay comparable while the mean length does not drift further than this.
_DRIFT = 0.25
# Points in one request: with dense vectors about 2 MB of JSON.
_BATCH = 128
# Passages that are gathered before they are written: as many as are embedded at once, and enough
# to tell how long passages are here.
_GATHERED = 4 * _BATCH
_IDS = 1_000

T = TypeVar("T")

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """What an index run did: pages by what became of them, and passages.

    `changed` counts a page too that is written again for another reason, such as dense vectors
    that it did not have. A dry run tells what would become of them.
    """

    added: int
    changed: int
    unchanged: int
    removed: int
    kept: int
    """Pages that are gone from the source, and stay since the run should not prune."""
    written: int
    """Passages that were written, and embedded where there is an embedding model."""
    passages: int
    """All that can be found now, those of other sources included."""
    unreadable: tuple[UnreadableDocument, ...]
    skipped: tuple[SkippedDocument, ...]


@dataclass(slots=True)
class _Tally:
    """What became of the pages so far."""

    present: set[str] = field(default_factory=set)
    """Pages that the source has."""
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    written: int = 0
    length: int = 0
    """Of what was written, in words that weigh anything."""
    replaced: list[Edition] = field(default_factory=list)
    renewed: list[tuple[list[str], str]] = field(default_factory=list)
    """Passages of pages that are the same under another fingerprint, or were another source's."""
    moved: bool = False
    """Whether any page was another source's."""
    fresh: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Version and language of the pages that the next generation has anew."""
    unreadable: list[UnreadableDocument] = field(default_factory=list)
    skipped: list[SkippedDocument] = field(default_factory=list)
    done: int = 0


@dataclass(frozen=True, slots=True)
class _Page:
    document: Document
    passages: list[Passage]
    lengths: list[int]


class NoSource:
    """Has the name of a source and none of its pages: to index it removes them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.total = 0

    async def read(self, known: Mapping[str, str]) -> AsyncIterator[Read]:
        for _ in ():
            yield SkippedDocument("", "")


class IndexRun:
    """One pass over a source."""

    def __init__(
        self,
        collection: Collection,
        lexical: Lexical,
        embeddings: Embeddings | None,
        *,
        prune: bool = True,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self._collection = collection
        self._lexical = lexical
        self._embeddings = embeddings
        self._model = embeddings.model if embeddings else None
        self._prune = prune
        self._dry_run = dry_run
        self._progress = progress
        self._lease = Lease(collection)
        self._shape: Shape | None = None
        self._note: Note | None = None
        self._stored = Stored()
        self._tally = _Tally()
        self._size: int | None = None
        self._writing = False
        self._source_name = ""

    async def index(self, source: Source) -> IndexSummary:
        """Read, compare, write what differs under the next generation, and show that.

        A run that fails leaves what readers see as it was; the next one goes on from there.
        """
        self._source_name = source.name
        await self._look(source)
        try:
            documents = source.read(self._stored.known(source.name, self._model))
            try:
                async with self._lease.kept():
                    await self._read(source, documents)
            finally:
                # A source that is left in the middle may have connections to close.
                if isinstance(documents, AsyncGenerator):
                    await documents.aclose()
            gone = self._gone(source)
            removed = gone if self._prune else {}
            # What is written for pages that the source no longer has would be seen with the rest.
            waiting = self._stored.waiting
            abandoned = [
                id_
                for page in waiting
                if page not in self._tally.present
                for id_ in waiting[page].ids
            ]
            if not self._dry_run and self._tally.moved:
                # A run of the source that had them would remove them meanwhile.
                await self._begin_writing()
            if not self._dry_run:
                for ids, fingerprint in self._tally.renewed:
                    await self._collection.set_payload(
                        ids, {"source": source.name, "fingerprint": fingerprint}
                    )
            if not self._dry_run and (self._changes or removed or abandoned):
                await self._begin_writing()
                await self._delete(abandoned)
                await self._show(removed)
        finally:
            if self._writing:
                # Nothing that goes wrong here may hide what went wrong before.
                with contextlib.suppress(ConnectionError, CollectionError):
                    await self._lease.release()
        tally = self._tally
        note = self._note
        return IndexSummary(
            added=tally.added,
            changed=tally.changed,
            unchanged=tally.unchanged,
            removed=len(removed),
            kept=len(gone) - len(removed),
            written=tally.written,
            passages=await self._collection.count(note.visible()) if note else 0,
            unreadable=tuple(tally.unreadable),
            skipped=tuple(tally.skipped),
        )

    async def _look(self, source: Source) -> None:
        """See what is there, and whether it is for us."""
        self._shape = await self._collection.shape()
        self._size = await find_size(self._embeddings) if self._embeddings else None
        if self._shape is None:
            return
        if self._size is not None:
            check_size(self._collection.name, self._shape, self._size)
        self._note = await self._collection.read_note()
        if self._note is None and self._shape.points:
            raise CollectionMismatchError(
                f"the collection {self._collection.name!r} holds points that were not written by"
                " chatkit-server; name another one in QDRANT_COLLECTION, it is made when missing"
            )
        if self._note and self._note.format > FORMAT:
            raise CollectionMismatchError(
                f"the collection {self._collection.name!r} was written by a newer version of"
                " chatkit-server; use that one, or name another collection in QDRANT_COLLECTION"
            )
        if not self._dry_run:
            # What it writes would be taken for what a run left that broke off.
            self._lease.ask(self._note)
        self._stored = await Stored.load(self._collection, self._note, source.name)
        if isinstance(source, NoSource):
            names = sorted({edition.source for edition in self._stored.seen.values()})
            shortened = source.name.rstrip("/")
            same = [name for name in names if name.rstrip("/") == shortened]
            if not same:
                raise SourceError(
                    f"the collection {self._collection.name!r} has no page of {source.name!r};"
                    f" its sources are {', '.join(map(repr, names)) or 'none'}"
                )
            source.name = same[0]

    async def _read(self, source: Source, documents: AsyncIterator[Read]) -> None:
        tally = self._tally
        gathered: list[_Page] = []
        size = 0
        async for found in documents:
            tally.done += 1
            if isinstance(found, UnreadableDocument):
                tally.unreadable.append(found)
            elif isinstance(found, SkippedDocument):
                tally.skipped.append(found)
            elif found.url in tally.present:
                reason = f"has the address of another page, {found.url}"
                tally.skipped.append(SkippedDocument(found.path, reason))
            elif isinstance(found, UnchangedDocument):
                self._keep(found.url)
            elif page := await self._compare(found):
                gathered.append(page)
                size += len(page.passages)
            if size >= _GATHERED:
                await self._write(gathered)
                gathered, size = [], 0
            if self._progress:
                self._progress(tally.done, source.total)
        await self._write(gathered)
        if not tally.present and not isinstance(source, NoSource):
            # A wrong path, or a check-out that failed, must not empty what readers search in.
            raise SourceError(
                f"nothing could be indexed of {tally.done} pages; nothing was changed"
                + _first_reason(tally)
            )

    def _keep(self, page: str) -> None:
        """Count a page of which nothing needs to be written."""
        tally, seen = self._tally, self._stored.seen.get(page)
        tally.present.add(page)
        waiting = self._stored.waiting.get(page)
        if waiting is None:
            tally.unchanged += 1
            return
        # Written by a run that broke off, and not shown yet.
        tally.fresh[page] = (waiting.version, waiting.locale)
        if seen:
            tally.changed += 1
            tally.replaced.append(seen)
        else:
            tally.added += 1

    async def _compare(self, document: Document) -> _Page | None:
        """Return what is to be written of a page; None where nothing is."""
        tally, page = self._tally, document.url
        if not any(piece.text.strip() for piece in document.pieces):
            tally.skipped.append(SkippedDocument(document.path, "has no text"))
            return None
        seen, waiting = self._stored.seen.get(page), self._stored.waiting.get(page)
        for edition in (waiting, seen):
            if edition and edition.hash == document.hash and edition.is_whole(self._model):
                if edition is seen and waiting:
                    # The page is again as it was before the run that broke off.
                    self._stored.dead += waiting.ids
                    del self._stored.waiting[page]
                is_moved = edition.source != self._source_name
                if is_moved or edition.fingerprint != document.fingerprint:
                    tally.renewed.append((edition.ids, document.fingerprint))
                tally.moved = tally.moved or is_moved
                self._keep(page)
                return None
        if waiting:
            self._stored.dead += waiting.ids
            del self._stored.waiting[page]
        tally.present.add(page)
        tally.fresh[page] = (document.version, document.locale)
        if seen:
            tally.changed += 1
            tally.replaced.append(seen)
        else:
            tally.added += 1
        passages, lengths = await asyncio.to_thread(self._split, document)
        tally.written += len(passages)
        tally.length += sum(lengths)
        return _Page(document, passages, lengths)

    def _split(self, document: Document) -> tuple[list[Passage], list[int]]:
        passages = make_passages(document, self._model, self._following)
        return passages, [self._lexical.count(passage.lexical_text) for passage in passages]

    @property
    def _following(self) -> int:
        """The generation that is being written."""
        return (self._note.generation if self._note else 0) + 1

    @property
    def _changes(self) -> bool:
        tally, stored, note = self._tally, self._stored, self._note
        return bool(
            tally.added
            or tally.changed
            or stored.dead
            or any(stored.marked())
            or (note and not (note.complete and note.language == self._lexical.language))
            or (note and note.format != FORMAT)
        )

    def _gone(self, source: Source) -> dict[str, Edition]:
        tally = self._tally
        unread = {found.url for found in tally.unreadable if found.url}
        # Of some pages not even the address can be read; what might be theirs stays.
        nameless = any(not found.url for found in tally.unreadable)
        return {
            page: edition
            for page, edition in self._stored.seen.items()
            if edition.source == source.name
            and page not in tally.present
            and page not in unread
            and not nameless
        }

    async def _begin_writing(self, lengths: Sequence[int] = ()) -> None:
        """Become the one who writes, and clear away what a run that broke off has left."""
        if self._writing:
            return
        if self._shape is None:
            await self._collection.create(self._size)
            self._shape = await self._collection.shape() or Shape(self._size, 0)
        seen = self._note
        if self._note is None:
            mean = sum(lengths) / len(lengths) if lengths else 1.0
            self._note = Note(self._lexical.language, mean)
        self._note = await self._lease.take(seen, self._note)
        self._writing = True
        await self._collection.create_field_indexes(self._shape.fields)
        if self._size is not None and self._shape.dense_size is None:
            await self._collection.add_dense(self._size)
        marked = list(self._stored.marked())
        for part in _parts(marked, _IDS):
            await self._collection.delete_payload(part, ["died"])
        await self._delete(self._stored.dead)
        self._stored.dead = []

    async def _write(self, pages: Sequence[_Page]) -> None:
        if self._dry_run or not pages:
            return
        await self._begin_writing([length for page in pages for length in page.lengths])
        assert self._note is not None  # noqa: S101 - writing has begun
        await self._delete(self._stored.dead)
        self._stored.dead = []
        passages = [passage for page in pages for passage in page.passages]
        payloads = [payload for page in pages for payload in self._payloads(page)]
        for start in range(0, len(passages), _GATHERED):
            part = slice(start, start + _GATHERED)
            points = await self._make_points(passages[part], payloads[part], self._note)
            # To embed them may have taken longer than a lease lasts.
            await self._lease.check()
            for batch in _parts(points, _BATCH):
                await self._collection.upsert(batch)
            self._note = await self._lease.renew(self._note)

    def _payloads(self, page: _Page) -> Iterable[dict[str, Any]]:
        state = {
            "source": self._source_name,
            "hash": page.document.hash,
            "fingerprint": page.document.fingerprint,
            "model": self._model,
            "passages": len(page.passages),
            "born": self._following,
        }
        for passage, length in zip(page.passages, page.lengths, strict=True):
            yield passage.payload() | state | {"length": length}

    async def _make_points(
        self, passages: Sequence[Passage], payloads: Sequence[Mapping[str, Any]], note: Note
    ) -> list[dict[str, Any]]:
        weights = await asyncio.to_thread(self._weights, passages, note.mean_length)
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

    async def _show(self, removed: Mapping[str, Edition]) -> None:
        """Make the next generation the one that is seen."""
        assert self._note is not None  # noqa: S101 - writing has begun
        tally, following = self._tally, self._following
        going = [*tally.replaced, *removed.values()]
        dead = [id_ for edition in going for id_ in edition.ids]
        for part in _parts(dead, _IDS):
            await self._collection.set_payload(part, {"died": following})
        staying = {
            page: edition
            for page, edition in self._stored.seen.items()
            if page not in tally.fresh and page not in removed
        }
        await self._weigh_anew(self._mean([*staying.values(), *self._stored.waiting.values()]))
        pages = {page: (one.version, one.locale) for page, one in staying.items()} | tally.fresh
        await self._lease.check()
        self._note = replace(
            self._note,
            generation=following,
            model=self._model or self._note.model,
            versions=order_versions((page, version) for page, (version, _) in pages.items()),
            locales=order_locales((page, locale) for page, (_, locale) in pages.items()),
            format=FORMAT,
            indexed_at=datetime.now(UTC).isoformat(timespec="seconds"),
            writer=None,
        )
        await self._collection.write_note(self._note)
        # Nobody who asks from now on sees them.
        await self._delete(dead)
        await self._collection.settle()

    def _mean(self, others: Sequence[Edition]) -> float:
        """Return the mean length of the passages that will be seen."""
        count = self._tally.written + sum(len(edition.ids) for edition in others)
        length = self._tally.length + sum(edition.length for edition in others)
        return length / count if count else 1.0

    async def _weigh_anew(self, mean: float) -> None:
        """Make all lexical weights anew where they no longer hold."""
        note, language = self._note, self._lexical.language
        assert note is not None  # noqa: S101 - writing has begun
        # At first the mean is that of the first pages.
        drift = _DRIFT if note.generation else 0.02
        drifted = abs(mean - note.mean_length) > drift * note.mean_length
        if note.complete and note.language == language and note.format == FORMAT and not drifted:
            return
        note = replace(note, complete=False, language=language, mean_length=mean)
        await self._collection.write_note(note)
        fields = ("document", "page", "url", "title", "headings", "text", "position", "breadcrumbs")
        passages: list[Passage] = []
        async for id_, payload in self._collection.scroll(fields):
            passages.append(Passage.read(id_, payload))
            if len(passages) >= _BATCH:
                note = await self._weigh(passages, note)
                passages = []
        note = await self._weigh(passages, note)
        self._note = replace(note, complete=True)

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

    async def _delete(self, ids: Sequence[str]) -> None:
        for part in _parts(ids, _IDS):
            await self._collection.delete(part)


async def find_size(embeddings: Embeddings) -> int:
    """Return the length of the model's vectors, asking for one where it is not known yet."""
    if embeddings.size is None:
        (vector,) = await _embed(embeddings, ["size"])
        return len(vector)
    return embeddings.size


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


def check_size(name: str, shape: Shape, size: int) -> None:
    """Refuse a collection whose dense vectors have another length."""
    if shape.dense_size not in (None, size):
        raise CollectionMismatchError(
            f"the collection {name!r} holds dense vectors of {shape.dense_size} numbers, and the"
            f" embedding model gives {size}; set the former model again, or name a new"
            " collection in QDRANT_COLLECTION and index into it"
        )


def _parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _first_reason(tally: _Tally) -> str:
    left_out: Iterator[UnreadableDocument | SkippedDocument]
    left_out = chain(tally.unreadable, tally.skipped)
    found = next(left_out, None)
    return f" ({found.path}: {found.reason})" if found else ""
