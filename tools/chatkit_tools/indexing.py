"""Brings a collection in line with a source of documents."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from chatkit_tools.collection import Collection, Shape
from chatkit_tools.editions import order_locales, order_versions
from chatkit_tools.embeddings import Embeddings
from chatkit_tools.errors import CollectionError, CollectionMismatchError, SourceError
from chatkit_tools.lexical import Lexical
from chatkit_tools.note import FORMAT, Note
from chatkit_tools.passage import Passage, make_passages
from chatkit_tools.points import AT_ONCE, Points
from chatkit_tools.source import Document, Read, SkippedDocument, Source, UnreadableDocument
from chatkit_tools.stored import Edition, Stored
from chatkit_tools.tally import Tally
from chatkit_tools.writer import Lease

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
        source: Source,
        collection: Collection,
        lexical: Lexical,
        embeddings: Embeddings | None,
        *,
        prune: bool = True,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self._source = source
        self._collection = collection
        self._lexical = lexical
        self._model = embeddings.model if embeddings else None
        self._prune = prune
        self._dry_run = dry_run
        self._progress = progress
        self._lease = Lease(collection)
        self._points = Points(collection, lexical, embeddings, self._lease)
        self._tally = Tally(source, self._model)
        self._shape: Shape | None = None
        self._note: Note | None = None
        self._size: int | None = None
        self._writing = False

    async def index(self) -> IndexSummary:
        """Read, compare, write what differs under the next generation, and show that.

        A run that fails leaves what readers see as it was; the next one goes on from there.
        """
        await self._look()
        tally = self._tally
        try:
            await self._read()
            gone = tally.gone()
            removed = gone if self._prune else {}
            if not self._dry_run:
                await self._finish(removed)
        finally:
            if self._writing:
                # Nothing that goes wrong here may hide what went wrong before.
                with contextlib.suppress(ConnectionError, CollectionError):
                    await self._lease.release()
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

    async def _look(self) -> None:
        """See what is there, and whether it is for us."""
        self._shape = await self._collection.shape()
        self._size = await self._points.find_dense_size()
        if self._shape is None:
            return
        if self._size is not None:
            _check_dense_size(self._collection.name, self._shape, self._size)
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
        stored = await Stored.load(self._collection, self._note, self._source.name)
        self._tally.stored = stored
        if isinstance(self._source, NoSource):
            wanted = self._source.name
            names = sorted({edition.source for edition in stored.seen.values()})
            same = [name for name in names if name.rstrip("/") == wanted.rstrip("/")]
            if not same:
                raise SourceError(
                    f"the collection {self._collection.name!r} has no page of {wanted!r};"
                    f" its sources are {', '.join(map(repr, names)) or 'none'}"
                )
            self._source.name = same[0]

    async def _read(self) -> None:
        tally, source = self._tally, self._source
        documents = source.read(tally.stored.known(source.name, self._model))
        try:
            async with self._lease.kept():
                await self._take(documents)
        finally:
            # A source that is left in the middle may have connections to close.
            if isinstance(documents, AsyncGenerator):
                await documents.aclose()
        if not tally.present and not isinstance(source, NoSource):
            # A wrong path, or a check-out that failed, must not empty what readers search in.
            raise SourceError(
                f"nothing could be indexed of {tally.done} pages; nothing was changed"
                + tally.first_reason()
            )

    async def _take(self, documents: AsyncIterator[Read]) -> None:
        tally = self._tally
        gathered: list[_Page] = []
        size = 0
        async for found in documents:
            if document := tally.take(found):
                page = await asyncio.to_thread(self._split, document)
                tally.written += len(page.passages)
                tally.length += sum(page.lengths)
                gathered.append(page)
                size += len(page.passages)
            # As many as are embedded at once, and enough to tell how long passages are here.
            if size >= AT_ONCE:
                await self._write(gathered)
                gathered, size = [], 0
            if self._progress:
                self._progress(tally.done, self._source.total)
        await self._write(gathered)

    def _split(self, document: Document) -> _Page:
        passages = make_passages(document, self._model, self._following)
        lengths = [self._lexical.count(passage.lexical_text) for passage in passages]
        return _Page(document, passages, lengths)

    @property
    def _following(self) -> int:
        """The generation that is being written."""
        return (self._note.generation if self._note else 0) + 1

    async def _write(self, pages: Sequence[_Page]) -> None:
        if self._dry_run or not pages:
            return
        await self._begin_writing([length for page in pages for length in page.lengths])
        assert self._note is not None  # noqa: S101 - writing has begun
        await self._delete_dead()
        passages = [passage for page in pages for passage in page.passages]
        payloads = [payload for page in pages for payload in self._payloads(page)]
        self._note = await self._points.write(passages, payloads, self._note)

    def _payloads(self, page: _Page) -> Iterable[dict[str, Any]]:
        state = {
            "source": self._source.name,
            "hash": page.document.hash,
            "fingerprint": page.document.fingerprint,
            "model": self._model,
            "passages": len(page.passages),
            "born": self._following,
        }
        for passage, length in zip(page.passages, page.lengths, strict=True):
            yield passage.payload() | state | {"length": length}

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
        await self._points.unmark(list(self._tally.stored.marked()))
        await self._delete_dead()

    async def _delete_dead(self) -> None:
        await self._points.delete(self._tally.stored.dead)
        self._tally.stored.dead = []

    async def _finish(self, removed: Mapping[str, Edition]) -> None:
        """Show what was written, and nothing of pages that are gone."""
        tally = self._tally
        # What is written for pages that the source no longer has would be seen with the rest.
        abandoned = tally.abandoned()
        if tally.moved:
            # A run of the source that had them would remove them meanwhile.
            await self._begin_writing()
        for ids, fingerprint in tally.renewed:
            await self._collection.set_payload(
                ids, {"source": self._source.name, "fingerprint": fingerprint}
            )
        if self._changes or removed or abandoned:
            await self._begin_writing()
            await self._points.delete(abandoned)
            await self._show(removed)

    @property
    def _changes(self) -> bool:
        tally, note = self._tally, self._note
        return bool(
            tally.added
            or tally.changed
            or tally.stored.dead
            or any(tally.stored.marked())
            or (note and not self._points.are_ours(note))
        )

    async def _show(self, removed: Mapping[str, Edition]) -> None:
        """Make the next generation the one that is seen."""
        assert self._note is not None  # noqa: S101 - writing has begun
        tally, following = self._tally, self._following
        going = [*tally.replaced, *removed.values()]
        dead = [id_ for edition in going for id_ in edition.ids]
        await self._points.mark(dead, following)
        staying = tally.staying(removed)
        mean = tally.mean_length(staying.values())
        self._note = await self._points.weigh_anew(self._note, mean)
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
        await self._points.delete(dead)
        await self._collection.settle()


def _check_dense_size(name: str, shape: Shape, size: int) -> None:
    """Refuse a collection whose dense vectors have another length."""
    if shape.dense_size not in (None, size):
        raise CollectionMismatchError(
            f"the collection {name!r} holds dense vectors of {shape.dense_size} numbers, and the"
            f" embedding model gives {size}; set the former model again, or name a new"
            " collection in QDRANT_COLLECTION and index into it"
        )
