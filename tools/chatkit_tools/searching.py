"""Searches a collection: by words and by meaning, in whole sections, and judges what it found."""

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from chatkit_tools.collection import Collection, Found, Query, Shape
from chatkit_tools.embeddings import Embeddings, failure
from chatkit_tools.errors import CollectionMismatchError, SearchUnavailableError
from chatkit_tools.lexical import Lexical, SparseVector
from chatkit_tools.merging import MAX_PER_PAGE, Section, merge
from chatkit_tools.note import FORMAT, Filter, Note
from chatkit_tools.passage import Hit, Results
from chatkit_tools.probe import ModelCheck, compare
from chatkit_tools.ranking import fuse
from chatkit_tools.reranking import CANDIDATES, Reranker, Reranking
from chatkit_tools.verdict import DEPTH, Evidence, Reading, Scale

logger = logging.getLogger("chatkit_tools")

_MAX_QUERY_CHARS = 2_000
_CANDIDATES = 50
# More, since every passage has some meaning in common with a query: by its place among these, what
# words found is told from what only shares a word.
_DENSE_CANDIDATES = 100
# How often a search begins anew because an index run has ended meanwhile.
_CHANGES = 3
# How long what was learnt of a collection is believed; other processes may index meanwhile.
_FRESH = 60.0
# How long a search waits for its embedding, and goes by words alone after one that failed.
_PATIENCE = 3.0
_REST = 10.0


@dataclass(slots=True)
class View:
    """What is known of the collection while it stays as it is."""

    shape: Shape
    note: Note
    stale_at: float
    rarities: dict[int, float] = field(default_factory=dict)
    """How rare words are, by token."""


class Search:
    """Searches of one collection, and what they learn of it and of the models."""

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
        self._reranking = Reranking(reranker) if reranker else None
        self._version = version
        self._locale = locale
        self._view: View | None = None
        self._rests_until = 0.0
        self._scale: Scale | None = None
        self._warned = ""
        # Why the dense vectors can't be searched, once a check has found that out.
        self._other_model = ""

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions of the docs, the latest one first, as the last search has found them."""
        return self._view.note.versions if self._view is not None else ()

    @property
    def goes_by_words(self) -> bool:
        """Whether searches do without vectors for a while, since the model for them failed."""
        return time.monotonic() < self._rests_until

    async def check_model(self) -> ModelCheck | None:
        """Embed a few stored texts again; see `Passages.check_model`."""
        if self._embeddings is None:
            return None
        self.forget()
        view = await self.look()
        if view is None or view.shape.dense_size is None:
            return None
        samples = await self._collection.sample_dense(self._embeddings.model)
        try:
            check = await compare(samples, self._embeddings)
        except Exception as exc:  # services fail in ways of their own
            raise SearchUnavailableError(
                f"the embedding model {self._embeddings.model!r} does not answer: {failure(exc)}"
            ) from exc
        self._other_model = ""
        if check and check.verdict == "other":
            self._other_model = check.explain(self._collection.name)
        return check

    async def find(
        self, query: str, limit: int, version: str | None, locale: str | None
    ) -> Results:
        """Return the best sections; see `Passages.search`."""
        query = query[:_MAX_QUERY_CHARS].strip()
        if not query or limit < 1:
            return Results()
        for _ in range(_CHANGES):
            view = await self.look()
            if view is None:
                return Results()
            found = await self._find(query, limit, view, version, locale)
            # Where an index run has ended meanwhile, what was found may be neither old nor new.
            if self._view is view:
                break
        return found

    def forget(self) -> None:
        """Have the next search look at the collection anew."""
        self._view = None

    async def look(self) -> View | None:
        """Return the collection's state, as it was a moment ago at most."""
        if self._view is None or time.monotonic() > self._view.stale_at:
            shape = await self._collection.shape()
            note = await self._collection.read_note() if shape else None
            # Searches that looked at the same time go by one view, or each would begin anew.
            if self._view is None or time.monotonic() > self._view.stale_at:
                self._view = self._see(shape, note)
        return self._view

    def _see(self, shape: Shape | None, note: Note | None) -> View | None:
        if shape is None or note is None or not note.generation:
            return None
        if note.format != FORMAT:
            self._warn(
                f"the collection {self._collection.name!r} was indexed by another version of"
                " chatkit-server, so nothing is found in it: run `chatkit-server index` again"
            )
            return None
        if note.language and note.language != self._lexical.language:
            self._warn(
                f"the lexical vectors of the collection {self._collection.name!r} are for"
                f" CHATKIT_LANGUAGE={note.language}, and it is {self._lexical.language}:"
                " index again"
            )
        return View(shape, note, time.monotonic() + _FRESH)

    async def _find(
        self, query: str, limit: int, view: View, version: str | None, locale: str | None
    ) -> Results:
        note = view.note
        scope = note.scope(
            version if version == "*" or version in note.versions else self._version,
            locale if locale == "*" or locale in note.locales else self._locale,
        )
        lexical, dense = await self._ask(query, limit, view, scope)
        scored = fuse(lexical, dense) if dense else _scored(lexical)
        if self._reranking:
            first = await self._complete(scored[:CANDIDATES])
            scored = await self._reranking.order(query, [*first, *scored[CANDIDATES:]])
        sections, complete = await self._cut(scored, limit, note.versions)
        reading = Reading(query, view.rarities, self._lexical)
        hits = tuple(
            Hit.of(
                section.passage(),
                score=section.score,
                coverage=reading.coverage(section.parts),
                also=tuple(str(found.payload["url"]) for found in section.also),
            )
            for section in sections
        )
        evidence = await self._judge(reading, lexical, dense, complete)
        # Where the collection has no words to weigh, nothing is known against its answers.
        covered = bool(hits) and (not view.shape.lexical or evidence.covered)
        return Results(hits, evidence.confidence, covered, evidence)

    async def _ask(
        self, query: str, limit: int, view: View, scope: Filter
    ) -> tuple[list[Found], list[Found]]:
        """Return what is found by words, and what by meaning."""
        if self._embeddings and self._fits(view):
            lexical, dense = await asyncio.gather(
                self._search_lexical(query, _CANDIDATES, view, scope),
                self._search_dense(query, view, scope, self._embeddings),
            )
            if not dense and not view.shape.lexical:
                raise SearchUnavailableError(
                    f"the collection {self._collection.name!r} is searched by dense vectors alone,"
                    " and the question could not be embedded"
                )
            return lexical, dense
        # Room for the passages that the limit per page will drop.
        room = limit * (MAX_PER_PAGE + 1)
        room = max(room, CANDIDATES) if self._reranking else room
        return await self._search_lexical(query, room, view, scope), []

    async def _cut(
        self, scored: Sequence[tuple[float, Found]], limit: int, versions: Sequence[str]
    ) -> tuple[list[Section], list[Found]]:
        """Return the best sections, and the points that were read for them."""
        sections: list[Section] = []
        complete: list[tuple[float, Found]] = []
        # Mostly the first step has enough of them, and the rest is never read.
        step = 2 * limit
        for start in range(0, len(scored), step):
            complete += await self._complete(scored[start : start + step])
            sections = merge(complete, limit, versions)
            if len(sections) == limit:
                break
        return sections, [point for _, point in complete]

    async def _judge(
        self,
        reading: Reading,
        lexical: Sequence[Found],
        dense: Sequence[Found],
        complete: Sequence[Found],
    ) -> Evidence:
        # What the words find: by meaning alone something is always found.
        judged = (lexical or dense)[:DEPTH]
        known = {point.id: point for point in complete}
        rest = await self._complete(_scored([point for point in judged if point.id not in known]))
        known |= {point.id: point for _, point in rest}
        best = [known[point.id] for point in judged if point.id in known]
        return reading.judge(best, dense, self._scale)

    def _fits(self, view: View) -> bool:
        """Tell whether the collection has dense vectors of our model."""
        assert self._embeddings is not None  # noqa: S101 - asked by those who have a model
        if view.shape.dense_size is None:
            return False
        if self._other_model:
            if not view.shape.lexical:
                raise CollectionMismatchError(
                    f"{self._other_model}; set CHATKIT_EMBEDDING_MODEL to the one that made them"
                )
            self._warn(f"{self._other_model}, so the search goes by words alone")
            return False
        if view.note.model == self._embeddings.model:
            return True
        self._warn(
            f"the collection {self._collection.name!r} was indexed with the embedding model"
            f" {view.note.model!r} and not with {self._embeddings.model!r}, so the search goes by"
            " words alone: set the former model, or run `chatkit-server index` again"
        )
        return False

    def _warn(self, message: str) -> None:
        if message != self._warned:
            self._warned = message
            logger.warning("%s", message)

    async def _query(self, queries: Sequence[Query], view: View) -> list[list[Found]]:
        note, found = await self._collection.query(queries)
        if note is None or note.generation != view.note.generation:
            # Seen anew by whoever searches next.
            self.forget()
        return found

    async def _search_lexical(
        self, query: str, limit: int, view: View, scope: Filter
    ) -> list[Found]:
        """Return the best passages, and have learnt how rare each word of the query is."""
        weighed = self._lexical.weigh_query(query)
        if not weighed.indices:
            return []
        known = view.rarities
        unknown = [token for token in weighed.indices if token not in known]
        # The collection alone knows how rare a word is: a query of that word alone scores its
        # rarity times the weight that the passage gives it.
        probes = [
            Query(SparseVector([token], [1.0]), limit=1, with_payload=False, with_lexical=True)
            for token in unknown
        ]
        found, *answers = await self._query([Query(weighed, limit, scope), *probes], view)
        for token, answer in zip(unknown, answers, strict=True):
            known[token] = _rarity(token, answer, view.shape.points)
        return found

    async def _search_dense(
        self, query: str, view: View, scope: Filter, embeddings: Embeddings
    ) -> list[Found]:
        if self.goes_by_words:
            return []
        # Once, and in the same request, what tells how far apart texts lie for this model.
        yardstick = [] if self._scale else Scale.texts()
        try:
            async with asyncio.timeout(_PATIENCE):
                vector, *measured = await embeddings.embed([query, *yardstick])
        except Exception as exc:  # services fail in ways of their own
            self._rests_until = time.monotonic() + _REST
            logger.warning(
                "embedding a query failed, searching by words alone for %.0f s: %s",
                _REST,
                failure(exc),
            )
            return []
        if measured:
            self._scale = Scale.of(measured)
        size = view.shape.dense_size or 0
        if size != len(vector):
            check = ModelCheck(embeddings.model, size, len(vector))
            said = check.explain(self._collection.name)
            if not view.shape.lexical:
                raise CollectionMismatchError(said)
            # The service has another model behind the name by now, perhaps not for long.
            self._rests_until = time.monotonic() + _REST
            self._warn(f"{said}, so the search goes by words alone")
            return []
        # Pages that could not be read the last time may still have vectors of a former model.
        ours = {"key": "model", "match": {"value": embeddings.model}}
        asked = Query(vector, _DENSE_CANDIDATES, {**scope, "must": [*scope["must"], ours]})
        (found,) = await self._query([asked], view)
        return found

    async def _complete(self, scored: Sequence[tuple[float, Found]]) -> list[tuple[float, Found]]:
        points = await self._collection.complete([point for _, point in scored])
        if len(points) < len(scored):
            # Passages that were replaced meanwhile: the search begins anew.
            self.forget()
        scores = {point.id: score for score, point in scored}
        return [(scores[point.id], point) for point in points]


def _scored(points: Sequence[Found]) -> list[tuple[float, Found]]:
    return [(point.score, point) for point in points]


def _rarity(token: int, answer: list[Found], points: int) -> float:
    for found in answer:
        if found.lexical and token in found.lexical.indices:
            weight = found.lexical.values[found.lexical.indices.index(token)]
            return found.score / weight
    # No passage has the word: what Qdrant's formula gives for one that occurs nowhere.
    return math.log(1 + (points + 0.5) / 0.5)
