"""One collection of passages: indexed from a folder of documents, searched by question."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from chatkit_tools.collection import Collection
from chatkit_tools.connection import connect_place
from chatkit_tools.embeddings import Embeddings
from chatkit_tools.errors import CollectionMismatchError
from chatkit_tools.indexing import IndexRun, IndexSummary, NoSource, Progress
from chatkit_tools.lexical import Lexical
from chatkit_tools.mapped import MappedCollection
from chatkit_tools.mapping import FieldMapping
from chatkit_tools.passage import Results
from chatkit_tools.probe import ModelCheck
from chatkit_tools.reranking import Reranker
from chatkit_tools.searching import Search
from chatkit_tools.source import Source

if TYPE_CHECKING:
    from chatkit_tools.add_lexical import LexicalSummary


class Passages:
    """The passages of a documentation, in a Qdrant collection."""

    def __init__(
        self,
        collection: Collection,
        lexical: Lexical,
        embeddings: Embeddings | None,
        reranker: Reranker | None,
        *,
        version: str | None = None,
        locale: str | None = None,
    ) -> None:
        self._collection = collection
        self._lexical = lexical
        self._embeddings = embeddings
        self._search = Search(
            collection, lexical, embeddings, reranker, version=version, locale=locale
        )

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        *,
        collection: str = "docs",
        data_dir: Path | str | None = None,
        url: str | None = None,
        api_key: str | None = None,
        embeddings: Embeddings | None = None,
        reranker: Reranker | None = None,
        language: str = "english",
        version: str | None = None,
        locale: str | None = None,
        mapping: FieldMapping | None = None,
    ) -> AsyncIterator[Self]:
        """Open a collection: the embedded engine's below `data_dir`, or a server's at `url`.

        Nothing is sent yet, so this succeeds while the server is away; the calls raise
        `SearchUnavailableError` then. A URL without a port means Qdrant's own, 6333. An API key
        for a plain `http` address of another machine is sent with a warning in the log. `version`
        and `locale` are what a search that names none goes by.

        With a `mapping` the collection is one that something else fills: it is searched as it is
        and never written to, except by `add_lexical`.
        """
        lexical = Lexical(language)
        async with connect_place(data_dir, url, api_key) as connection:
            model = embeddings.model if embeddings else None
            yield cls(
                MappedCollection(collection, connection, mapping, model)
                if mapping
                else Collection(collection, connection),
                lexical,
                embeddings,
                reranker,
                version=version,
                locale=locale,
            )

    @property
    def collection(self) -> str:
        """Name of the collection."""
        return self._collection.name

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions of the docs, the latest one first, as the last search has found them."""
        return self._search.versions

    async def ping(self) -> None:
        """Raise `SearchUnavailableError`, a `ConnectionError`, when search is down."""
        await self._collection.shape()

    async def count(self) -> int:
        """Count the passages that a search may find."""
        note = await self._collection.read_note() if await self._collection.shape() else None
        return await self._collection.count(note.visible()) if note else 0

    async def places(self) -> list[tuple[str, str]]:
        """Return the document and the address of every passage that a search may find."""
        view = await self._search.look()
        if view is None:
            return []
        found = self._collection.scroll(["document", "url"], view.note.visible())
        return [(payload["document"], payload["url"]) async for _, payload in found]

    async def index(
        self,
        source: Source | Path,
        *,
        base_url: str = "/",
        trailing_slash: bool = False,
        prune: bool = True,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> IndexSummary:
        """Bring the collection in line with a source, writing only what differs.

        Readers see the state before until the run is done, then the state after. A run that fails
        leaves the state before, and the next one goes on from there. Several processes may search
        at once, and one may index.

        Args:
            source: A source, or a folder of Markdown, for which `base_url` and `trailing_slash`
                are those of `MarkdownFolder`.
            base_url: See there.
            trailing_slash: See there.
            prune: Whether pages go that the source had once and has no more.
            dry_run: Whether to write nothing, and tell what would be done.
            progress: Is called with the number of pages that are done, and how many there are
                where that is known.

        Raises:
            SourceError: the source has nothing that can be read.
            CollectionMismatchError: the collection is another's, or has vectors of another size.
            CollectionBusyError: another run is writing.
            SearchUnavailableError: Qdrant does not answer.
        """
        if isinstance(source, str):
            raise TypeError(
                f"{source!r} may be anything: give Path({source!r}) for a folder of Markdown,"
                " a SiteFolder for a built site, or a Sitemap for a site by its address"
            )
        if isinstance(source, Path):
            from chatkit_tools.documents import MarkdownFolder

            source = MarkdownFolder(source, base_url, trailing_slash=trailing_slash)
        return await self._run(source, prune=prune, dry_run=dry_run, progress=progress)

    async def remove(self, source: str, *, dry_run: bool = False) -> IndexSummary:
        """Remove all pages that a source brought, by its name; see `index`."""
        return await self._run(NoSource(source), dry_run=dry_run)

    async def _run(
        self,
        source: Source,
        *,
        prune: bool = True,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> IndexSummary:
        if isinstance(self._collection, MappedCollection):
            raise self._collection.read_only()
        run = IndexRun(
            source,
            self._collection,
            self._lexical,
            self._embeddings,
            prune=prune,
            dry_run=dry_run,
            progress=progress,
        )
        try:
            return await run.index()
        finally:
            self._search.forget()

    async def add_lexical(
        self, *, dry_run: bool = False, progress: Progress | None = None
    ) -> "LexicalSummary":
        """Give a collection that something else fills what a search by words needs.

        Payloads and other vectors stay as they are. See `chatkit_tools.add_lexical`.

        Raises:
            CollectionMismatchError: the collection is ours, or Qdrant can't add vectors to it.
            SearchUnavailableError: Qdrant does not answer.
        """
        from chatkit_tools.add_lexical import LexicalRun

        if not isinstance(self._collection, MappedCollection):
            raise CollectionMismatchError(
                "lexical vectors are added to a collection that something else fills, and"
                " CHATKIT_COLLECTION_TEXT names no field of it; `chatkit-server doctor` proposes"
                " what to set"
            )
        run = LexicalRun(self._collection, self._lexical, dry_run=dry_run, progress=progress)
        try:
            return await run.run()
        finally:
            self._search.forget()

    @property
    def goes_by_words(self) -> bool:
        """Whether searches do without vectors for a while, since the model for them failed."""
        return self._search.goes_by_words

    async def check_model(self) -> ModelCheck | None:
        """Embed a few stored texts again, and stop searching by vectors of another model.

        None where there is nothing to compare: no model, no dense vectors, or no text.

        Raises:
            SearchUnavailableError: Qdrant or the embedding model does not answer.
            CollectionMismatchError: the mapping does not fit the collection.
        """
        return await self._search.check_model()

    async def search(
        self,
        query: str,
        *,
        limit: int = 8,
        version: str | None = None,
        locale: str | None = None,
    ) -> Results:
        """Return the best sections, at most three of one page; none before anything is indexed.

        `version` and `locale` choose among those of the docs: None and what the docs don't have
        mean those that the collection was opened with, or the latest version and the site's
        default language; "*" means all.
        """
        return await self._search.find(query, limit, version, locale)
