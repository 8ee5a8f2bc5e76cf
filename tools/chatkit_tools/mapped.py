"""A collection that something else filled: searched like one of ours, and never written to."""

import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chatkit_tools.collection import (
    LEXICAL,
    NOTE_ID,
    SAMPLED,
    Collection,
    Found,
    Query,
    Shape,
)  # fmt: skip
from chatkit_tools.connection import Connection
from chatkit_tools.editions import order_locales, order_versions
from chatkit_tools.errors import CollectionError, CollectionMismatchError
from chatkit_tools.layout import Layout, choose_vector
from chatkit_tools.lexical import SparseVector
from chatkit_tools.mapping import FieldMapping, condition_key, look_up
from chatkit_tools.note import Filter, Note

logger = logging.getLogger("chatkit_tools")

_SAMPLE = 2_000
_BATCH = 500
# How long the versions and languages of a sample are believed.
_FRESH = 600.0
# What the passages of ours have and others don't: there every point is seen, of whatever model.
_OURS = frozenset({"born", "died", "model"})
# What says where a field is, besides the text's.
_SETTINGS = {
    "url": "URL", "title": "TITLE", "headings": "HEADING", "anchor": "ANCHOR",
    "version": "VERSION", "locale": "LOCALE",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Point:
    """A point with what is stored of it."""

    id: str | int
    payload: Mapping[str, Any]
    lexical: SparseVector | None = None
    dense: Sequence[float] | None = None


class MappedCollection(Collection):
    """Reads points of others as passages; whatever would write is refused.

    `model` is the embedding model that questions are embedded with. The collection can't say
    which one made its vectors, so it is taken for the same; `check_model` finds out.
    """

    def __init__(
        self, name: str, connection: Connection, mapping: FieldMapping, model: str | None = None
    ) -> None:
        super().__init__(name, connection)
        self.connection = connection
        self.path = self._path
        self.mapping = mapping
        self._model = model
        self._layout: Layout | None = None
        self._editions: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        self._editions_until = 0.0
        self._is_checked = False

    async def layout(self) -> Layout | None:
        """Return what Qdrant says of the collection now, None where there is none."""
        info = await self._connection.send("GET", self._path)
        self._layout = Layout.read(info) if info is not None else None
        return self._layout

    async def shape(self) -> Shape | None:
        """Return the collection's shape, None when there is none."""
        layout = await self.layout()
        if layout is None:
            return None
        vector = choose_vector(self.name, layout, self.mapping.vector)
        return Shape(
            vector.size if vector else None,
            layout.points,
            frozenset(layout.indexed),
            lexical=self.has_lexical,
        )

    async def is_ours(self) -> bool:
        """Tell whether `Passages.index` filled it, so that it should not be mapped at all."""
        layout = self._layout or await self.layout()
        return bool(layout and layout.is_ours and await super().read_note())

    @property
    def vector(self) -> str:
        """Name of the dense vector, as the last look at the collection showed it."""
        vector = self._layout and choose_vector(self.name, self._layout, self.mapping.vector)
        return vector.name if vector else ""

    @property
    def has_lexical(self) -> bool:
        """Whether the last look at the collection showed lexical vectors of ours."""
        return bool(self._layout and self._layout.lexical_state and LEXICAL in self._layout.sparse)

    async def read_note(self) -> Note | None:
        """Return what a note of ours would say."""
        layout = self._layout or await self.layout()
        if layout is None:
            return None
        if not self._is_checked:
            await self._check(layout)
            self._is_checked = True
        if not self.has_lexical and self._model is None:
            raise CollectionMismatchError(
                f"the collection {self.name!r} can't be searched: set CHATKIT_EMBEDDING_MODEL to"
                " the model that made its vectors, or run `chatkit-server index --add-lexical`"
            )
        versions, locales = await self._find_editions(layout)
        state = layout.lexical_state
        return Note(
            language=str(state.get("language") or ""),
            mean_length=float(state.get("mean_length") or 1.0),
            generation=1,
            model=self._model,
            versions=versions,
            locales=locales,
        )

    async def _check(self, layout: Layout) -> None:
        """Refuse a mapping that finds nothing, and name what else of it is not there."""
        if await self.is_ours():
            raise CollectionMismatchError(
                f"the collection {self.name!r} was made by `chatkit-server index` and needs no"
                " mapping: unset CHATKIT_COLLECTION_TEXT to search it"
            )
        missing = {name: paths for name in _SETTINGS if (paths := getattr(self.mapping, name))}
        seen = 0
        has_text = False
        async for point in self.scroll_points(_SAMPLE):
            seen += 1
            has_text = has_text or bool(self.mapping.read_text(point.payload))
            for name, paths in list(missing.items()):
                if any(look_up(point.payload, path) not in (None, "") for path in paths):
                    del missing[name]
            if has_text and not missing:
                break
        if not seen:
            return
        if not has_text:
            raise CollectionMismatchError(
                f"no point of the collection {self.name!r} has text in"
                f" {', '.join(self.mapping.text)}, which CHATKIT_COLLECTION_TEXT names, so nothing"
                " can be found in it; `chatkit-server doctor` proposes what to set"
            )
        for name, paths in missing.items():
            logger.warning(
                "no point of the collection %r has %s, which CHATKIT_COLLECTION_%s names;"
                " `chatkit-server doctor` proposes what to set",
                self.name, ", ".join(paths), _SETTINGS[name],
            )  # fmt: skip

    async def _find_editions(self, layout: Layout) -> tuple[tuple[str, ...], tuple[str, ...]]:
        mapping = self.mapping
        if not (mapping.version or mapping.locale):
            return (), ()
        if time.monotonic() > self._editions_until:
            pages = [mapping.read("", point.payload) async for point in self.scroll_points(_SAMPLE)]
            self._editions = (
                order_versions((page["url"], page["version"]) for page in pages),
                order_locales((page["url"], page["locale"]) for page in pages),
            )
            self._editions_until = time.monotonic() + _FRESH
        versions, locales = self._editions
        return (
            versions if self._can_filter(layout, mapping.version) else (),
            locales if self._can_filter(layout, mapping.locale) else (),
        )

    def _can_filter(self, layout: Layout, paths: Sequence[str]) -> bool:
        # Where the server refuses a filter by a field without index, all versions are searched.
        return not layout.filters_need_index or all(
            condition_key(path) in layout.indexed for path in paths
        )

    async def count(self, found: Filter | None = None) -> int:
        """Count the points that a filter finds."""
        wanted = self.translate(found or {})
        return 0 if wanted is None else await super().count(wanted)

    async def count_without_lexical(self) -> int:
        """Count the points that a search by words can't find."""
        missing = {"must_not": [{"has_vector": LEXICAL}]}
        if self.mapping.filter:
            missing["must"] = [dict(self.mapping.filter)]
        return await super().count(missing)

    async def query(self, queries: Sequence[Query]) -> tuple[Note | None, list[list[Found]]]:
        """Send queries together; the note is as `read_note` gave it."""
        layout = self._layout or await self.layout()
        searches = [self._translate_query(query) for query in queries]
        sent = [search for search in searches if search is not None]
        answers: Any = []
        if layout is not None and sent:
            answers = await self._connection.send(
                "POST", f"{self._path}/points/query/batch", {"searches": sent}
            )
        if layout is None or answers is None:
            self._layout = None
            return None, [[] for _ in queries]
        following = iter(answers)
        found = [
            self._read_answer(next(following)["points"], query) if search is not None else []
            for search, query in zip(searches, queries, strict=True)
        ]
        return Note(language="", mean_length=1.0, generation=1), found

    def _translate_query(self, query: Query) -> dict[str, Any] | None:
        is_lexical = isinstance(query.vector, SparseVector)
        wanted = self.translate(query.filter or {})
        if wanted is None or (is_lexical and not self.has_lexical):
            return None
        search: dict[str, Any] = {
            "query": {"indices": query.vector.indices, "values": query.vector.values}
            if isinstance(query.vector, SparseVector)
            else query.vector,
            "limit": query.limit,
            "with_payload": self.mapping.fields() if query.with_payload else False,
            "with_vector": [LEXICAL] if query.with_lexical else False,
        }
        if using := LEXICAL if is_lexical else self.vector:
            search["using"] = using
        return search | {"filter": wanted} if wanted else search

    def _read_answer(self, points: Sequence[Mapping[str, Any]], query: Query) -> list[Found]:
        found = []
        for point in points:
            id_ = str(point["id"])
            payload = self.mapping.read(id_, point.get("payload") or {})
            # A point without text has nothing to quote.
            if payload["text"] or not query.with_payload:
                lexical = _sparse((point.get("vector") or {}), LEXICAL)
                found.append(Found(id_, float(point["score"]), payload, lexical))
        return found

    def translate(self, found: Filter) -> Filter | None:
        """Return a filter for passages of ours as one for these points, None for no point at all.

        Conditions that hold for all points of others go, and what they don't have finds nothing.
        """
        translated: Filter = {}
        for part in ("must", "should", "must_not"):
            for condition in found.get(part) or ():
                if condition.get("key") in _OURS:
                    continue
                if "has_id" in condition:
                    ids = [id_ for id_ in condition["has_id"] if id_ != NOTE_ID]
                    if not ids and part == "must_not":
                        continue
                    mapped: Filter | None = {"has_id": [_point_id(id_) for id_ in ids]}
                else:
                    mapped = self._translate_condition(condition)
                if mapped is None:
                    return None
                translated.setdefault(part, []).append(mapped)
        if self.mapping.filter:
            translated.setdefault("must", []).append(dict(self.mapping.filter))
        return translated

    def _translate_condition(self, condition: Filter) -> Filter | None:
        paths = {"version": self.mapping.version, "locale": self.mapping.locale}.get(
            condition.get("key", ""), ()
        )
        match = condition.get("match") or {}
        values = match.get("any") or ([match["value"]] if "value" in match else [])
        if not paths or not values:
            return None
        # The first path counts that has a value; filters by several would say something else.
        key = condition_key(paths[0])
        texts = [value for value in values if value]
        accepted: list[Filter] = [{"key": key, "match": {"any": texts}}] if texts else []
        # A version may be stored as a number.
        accepted += [
            {"key": key, "range": {"gte": number, "lte": number}}
            for number in map(_number, texts)
            if number is not None
        ]
        if "" in values:
            accepted.append({"is_empty": {"key": key}})
            accepted.append({"key": key, "match": {"value": ""}})
        return {"should": accepted}

    async def scroll(
        self, fields: Sequence[str], found: Filter | None = None
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Yield the id of every passage that a filter finds, with its payload as ours has it."""
        async for point in self.scroll_points(found=found):
            payload = self.mapping.read(str(point.id), point.payload)
            if payload["text"]:
                yield str(point.id), {name: payload[name] for name in fields}

    async def scroll_points(
        self,
        limit: int | None = None,
        *,
        found: Filter | None = None,
        with_lexical: bool = False,
        with_dense: bool = False,
    ) -> AsyncIterator[Point]:
        """Yield points in the order of their ids, with the payload that is mapped."""
        translated = self.translate(found or {})
        if translated is None:
            return
        wanted = [LEXICAL] if with_lexical else []
        wanted += [self.vector] if with_dense else []
        following: str | int | None = None
        left = limit
        while left is None or left > 0:
            body: dict[str, Any] = {
                "limit": _BATCH if left is None else min(_BATCH, left),
                "with_payload": self.mapping.fields(),
                # The vector without a name can't be asked for by one.
                "with_vector": True if "" in wanted else wanted or False,
            }
            if translated:
                body["filter"] = translated
            if following is not None:
                body["offset"] = following
            page = await self._connection.send("POST", f"{self._path}/points/scroll", body)
            for point in page["points"] if page else ():
                yield Point(
                    point["id"],
                    point.get("payload") or {},
                    _sparse(point.get("vector"), LEXICAL) if with_lexical else None,
                    _dense(point.get("vector"), self.vector) if with_dense else None,
                )
            left = None if left is None else left - len(page["points"] if page else ())
            following = page["next_page_offset"] if page else None
            if following is None:
                return

    async def sample_dense(self, model: str) -> list[tuple[str, Sequence[float]]]:
        """Return a few texts with their dense vectors, taken for those of that model."""
        return [
            (self.mapping.read_text(point.payload), point.dense)
            async for point in self.scroll_points(SAMPLED, with_dense=True)
            if point.dense
        ]

    async def create(self, dense_size: int | None = None) -> None:
        """Refuse."""
        raise self.read_only()

    async def create_field_indexes(self, present: Any = frozenset()) -> None:
        """Refuse."""
        raise self.read_only()

    async def add_dense(self, size: int) -> None:
        """Refuse."""
        raise self.read_only()

    async def drop(self) -> None:
        """Refuse."""
        raise self.read_only()

    async def settle(self) -> None:
        """Refuse."""
        raise self.read_only()

    async def _write(self, method: str, path: str, body: dict[str, Any]) -> None:
        raise self.read_only()

    def read_only(self) -> CollectionError:
        """Return what is raised for a write."""
        return CollectionMismatchError(
            f"CHATKIT_COLLECTION_TEXT says that something else fills the collection {self.name!r},"
            " so it is searched as it is and never written to; to index documents of your own,"
            " unset CHATKIT_COLLECTION_TEXT and name a new collection in QDRANT_COLLECTION"
        )


def _point_id(value: Any) -> Any:
    # Ids are texts in a hit, and Qdrant's are numbers or UUIDs.
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _sparse(vectors: Any, name: str) -> SparseVector | None:
    value = vectors.get(name) if isinstance(vectors, Mapping) else None
    return SparseVector(value["indices"], value["values"]) if value else None


def _dense(vectors: Any, name: str) -> Sequence[float] | None:
    # The only vector without a name stands there by itself.
    value = vectors.get(name) if isinstance(vectors, Mapping) else vectors
    return value if isinstance(value, list) and value else None
