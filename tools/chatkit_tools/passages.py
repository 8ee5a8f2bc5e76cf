"""One collection of passages: indexed from a folder of documents, searched by question."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from chatkit_tools.collection import Collection, Found, Query, Shape
from chatkit_tools.connection import connect_engine, connect_server
from chatkit_tools.embeddings import Embeddings
from chatkit_tools.indexing import IndexRun, IndexSummary, Progress, check_size
from chatkit_tools.lexical import Lexical, SparseVector, lexical_text
from chatkit_tools.passage import Hit
from chatkit_tools.ranking import MAX_PER_PAGE, fuse, limit_per_page, measure_coverage

logger = logging.getLogger("chatkit_tools")

_MAX_QUERY_CHARS = 2_000
_CANDIDATES = 50
# How long what was learnt of a collection is believed; other processes may index meanwhile.
_FRESH = 60.0
# How long a search waits for its embedding, and goes by words alone after one that failed.
_PATIENCE = 3.0
_REST = 10.0


class Passages:
    """The passages of a documentation, in a Qdrant collection."""

    def __init__(
        self, collection: Collection, lexical: Lexical, embeddings: Embeddings | None
    ) -> None:
        self._collection = collection
        self._lexical = lexical
        self._embeddings = embeddings
        self._shape: Shape | None = None
        self._stale_at = 0.0
        self._rarities: dict[int, float] = {}
        self._rests_until = 0.0

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        *,
        collection: str = "docs",
        data_dir: Path | None = None,
        url: str | None = None,
        api_key: str | None = None,
        embeddings: Embeddings | None = None,
        language: str = "english",
    ) -> AsyncIterator[Self]:
        """Open a collection: the embedded engine's below `data_dir`, or a server's at `url`.

        Nothing is sent yet, so this succeeds while the server is away; the calls raise
        `SearchUnavailableError` then. A URL without a port means Qdrant's own, 6333. An API key
        for a plain `http` address of another machine is sent with a warning in the log.
        """
        if (data_dir is None) == (url is None):
            raise ValueError("Passages.open needs either data_dir or url")
        lexical = Lexical(language)
        if url is not None:
            opened = connect_server(url, api_key)
        else:
            assert data_dir is not None  # noqa: S101 - one of them is given, as checked above
            opened = connect_engine(data_dir / "search")
        async with opened as connection:
            yield cls(Collection(collection, connection), lexical, embeddings)

    async def ping(self) -> None:
        """Raise `SearchUnavailableError`, a `ConnectionError`, when search is down."""
        await self._collection.shape()

    async def count(self) -> int:
        """Count the passages."""
        return await self._collection.count()

    async def index(
        self,
        folder: Path,
        *,
        base_url: str = "/",
        trailing_slash: bool = False,
        progress: Progress | None = None,
    ) -> IndexSummary:
        """Make the collection hold exactly the pages of `folder`, writing only what differs.

        What was indexed of a page stays while its file cannot be read. `progress` is called with
        the number of documents that are done and their total. `base_url` and `trailing_slash` are
        those of `read_documents`. Several processes may index and search at once.
        """
        run = IndexRun(self._collection, self._lexical, self._embeddings)
        try:
            return await run.index(folder, base_url, trailing_slash, progress)
        finally:
            self._shape = None

    async def search(self, query: str, *, limit: int = 8) -> list[Hit]:
        """Return the best passages, at most three of one page; none before anything is indexed."""
        query = query[:_MAX_QUERY_CHARS].strip()
        if not query or limit < 1:
            return []
        shape = await self._look()
        if shape is None:
            return []
        if self._embeddings and shape.dense_size:
            (lexical, rarities), dense = await asyncio.gather(
                self._search_lexical(query, _CANDIDATES, shape),
                self._search_dense(query, shape, self._embeddings),
            )
            scored = fuse([lexical, dense]) if dense else _scored(lexical)
        else:
            # Room for the passages that the limit per page will drop.
            room = limit * (MAX_PER_PAGE + 1)
            lexical, rarities = await self._search_lexical(query, room, shape)
            scored = _scored(lexical)
        return [self._hit(point, score, rarities) for score, point in limit_per_page(scored, limit)]

    async def _look(self) -> Shape | None:
        """Return the collection's shape, as it was a moment ago at most."""
        if self._shape is None or time.monotonic() > self._stale_at:
            self._shape = await self._collection.shape()
            self._stale_at = time.monotonic() + _FRESH
            self._rarities = {}
        return self._shape

    async def _search_lexical(
        self, query: str, limit: int, shape: Shape
    ) -> tuple[list[Found], dict[int, float]]:
        """Return the best passages, and how rare each word of the query is."""
        weighed = self._lexical.weigh_query(query)
        if not weighed.indices:
            return [], {}
        known = self._rarities
        unknown = [token for token in weighed.indices if token not in known]
        # The collection alone knows how rare a word is: a query of that word alone scores its
        # rarity times the weight that the passage gives it.
        probes = [
            Query(SparseVector([token], [1.0]), limit=1, with_payload=False, with_lexical=True)
            for token in unknown
        ]
        found, *answers = await self._collection.query([Query(weighed, limit), *probes])
        for token, answer in zip(unknown, answers, strict=True):
            known[token] = _rarity(token, answer, shape.points)
        return found, {token: known[token] for token in weighed.indices}

    async def _search_dense(self, query: str, shape: Shape, embeddings: Embeddings) -> list[Found]:
        if time.monotonic() < self._rests_until:
            return []
        try:
            async with asyncio.timeout(_PATIENCE):
                (vector,) = await embeddings.embed([query])
        except Exception as exc:  # services fail in ways of their own
            self._rests_until = time.monotonic() + _REST
            logger.warning(
                "embedding a query failed, searching by words alone for %.0f s: %r", _REST, exc
            )
            return []
        check_size(self._collection.name, shape, len(vector))
        (found,) = await self._collection.query([Query(vector, _CANDIDATES)])
        return found

    def _hit(self, point: Found, score: float, rarities: dict[int, float]) -> Hit:
        payload = point.payload
        tokens = self._lexical.tokens(
            lexical_text(payload["title"], payload["headings"], payload["text"])
        )
        coverage = measure_coverage(rarities, tokens)
        return Hit.from_payload(point.id, payload, score=score, coverage=coverage)


def _scored(points: list[Found]) -> list[tuple[float, Found]]:
    return [(point.score, point) for point in points]


def _rarity(token: int, answer: list[Found], points: int) -> float:
    for found in answer:
        if found.lexical and token in found.lexical.indices:
            weight = found.lexical.values[found.lexical.indices.index(token)]
            return found.score / weight
    # No passage has the word: what Qdrant's formula gives for one that occurs nowhere.
    return math.log(1 + (points + 0.5) / 0.5)
