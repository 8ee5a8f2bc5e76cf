"""Looks at a collection and says what is right, what is wrong, and what to do."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from chatkit_tools.collection import Collection
from chatkit_tools.connection import Connection, connect_place
from chatkit_tools.embeddings import Embeddings, failure
from chatkit_tools.errors import CollectionError, CollectionMismatchError
from chatkit_tools.findings import (
    Finding,
    Status,
    as_sentence,
    evidence_lines,
    find_in_fields,
    find_in_indexes,
    find_in_sparse,
    guess_vector,
    hint_lines,
    vector_table,
)  # fmt: skip
from chatkit_tools.layout import DenseVector, Layout, choose_vector
from chatkit_tools.mapped import MappedCollection
from chatkit_tools.mapping import FieldMapping
from chatkit_tools.note import FORMAT, Note
from chatkit_tools.probe import ModelCheck, compare
from chatkit_tools.proposal import propose

_SAMPLE = 256


class Survey:
    """Looks at one collection; nothing is written."""

    def __init__(
        self,
        name: str,
        connection: Connection,
        *,
        mapping: FieldMapping | None = None,
        embeddings: Embeddings | None = None,
        language: str = "english",
    ) -> None:
        self._name = name
        self._connection = connection
        self._mapping = mapping
        self._embeddings = embeddings
        self._language = language
        self._size: int | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        name: str,
        *,
        data_dir: Path | None = None,
        url: str | None = None,
        api_key: str | None = None,
        mapping: FieldMapping | None = None,
        embeddings: Embeddings | None = None,
        language: str = "english",
    ) -> AsyncIterator[Self]:
        """Look at a collection in the place where `Passages.open` would find it."""
        async with connect_place(data_dir, url, api_key) as connection:
            yield cls(name, connection, mapping=mapping, embeddings=embeddings, language=language)

    async def findings(self) -> list[Finding]:
        """Look at everything.

        Raises:
            SearchUnavailableError: Qdrant does not answer.
        """
        collection = MappedCollection(
            self._name, self._connection, self._mapping or FieldMapping(text=())
        )
        layout = await collection.layout()
        if layout is None:
            return [
                Finding(
                    "collection",
                    "error",
                    f"There is no collection {self._name!r}.",
                    "Index your docs with `chatkit-server index SOURCE`, or name a collection that"
                    " is there in QDRANT_COLLECTION.",
                ),
                *await self._look_at_model(),
            ]
        if self._mapping is None and layout.is_ours:
            return await self._look_at_ours(layout)
        if self._mapping is None:
            return await self._look_at_unmapped(layout)
        return await self._look_at_mapped(collection, layout, self._mapping)

    # One that `Passages.index` filled.

    async def _look_at_ours(self, layout: Layout) -> list[Finding]:
        collection = Collection(self._name, self._connection)
        note = await collection.read_note()
        found = [await self._look_at_note(collection, note), *await self._look_at_model()]
        (dense, *_) = layout.dense or (None,)
        if self._embeddings is None:
            if dense is not None and note is not None and note.model:
                found.append(
                    Finding(
                        "vectors",
                        "warning",
                        f"It has dense vectors of {note.model!r}, which nothing asks for.",
                        f"Set CHATKIT_EMBEDDING_MODEL={note.model} to search by meaning too.",
                    )
                )
            return found
        if dense is None:
            found.append(
                Finding(
                    "vectors",
                    "warning",
                    "It has lexical vectors alone, and CHATKIT_EMBEDDING_MODEL is set.",
                    "Run `chatkit-server index` again to add dense ones.",
                )
            )
            return found
        return [*found, *self._look_at_size(dense), *await self._probe(collection)]

    async def _look_at_note(self, collection: Collection, note: Note | None) -> Finding:
        if note is None or not note.generation:
            return Finding(
                "collection",
                "warning" if note is None else "error",
                f"The collection {self._name!r} is empty: no index run was ever finished in it.",
                "Run `chatkit-server index SOURCE`.",
            )
        if note.format != FORMAT:
            return Finding(
                "collection",
                "error",
                f"The collection {self._name!r} was indexed by another version of chatkit-server.",
                "Run `chatkit-server index` again.",
            )
        passages = await collection.count(note.visible())
        pages: set[str] = set()
        async for _, payload in collection.scroll(["page"], note.visible()):
            pages.add(str(payload.get("page")))
        parts = [f"{passages} passages of {len(pages)} pages"]
        parts += [f"versions {', '.join(note.versions)}"] if note.versions else []
        parts += [f"languages {', '.join(note.locales)}"] if note.locales else []
        parts += [f"embedded with {note.model}" if note.model else "lexical alone"]
        parts += [f"indexed {note.indexed_at}"] if note.indexed_at else []
        stale = note.language != self._language
        return Finding(
            "collection",
            "warning" if stale or not passages else "ok",
            f"The collection {self._name!r} has {', '.join(parts)} (state {note.generation}).",
            f"It was indexed for CHATKIT_LANGUAGE={note.language}: run `chatkit-server index` again"
            if stale
            else "",
            {
                "passages": passages,
                "pages": len(pages),
                "versions": list(note.versions),
                "locales": list(note.locales),
                "model": note.model,
                "generation": note.generation,
                "indexed_at": note.indexed_at,
            },
        )

    # One that something else filled.

    async def _look_at_unmapped(self, layout: Layout) -> list[Finding]:
        payloads = await self._sample()
        vector = guess_vector(layout)
        proposal = propose(payloads, vector)
        by = f", it seems {proposal.kind}," if proposal and proposal.kind else ""
        message = (
            f"Something else{by} filled the collection {self._name!r} ({layout.points} points)."
        )
        details: dict[str, Any] = {"points": layout.points, "vectors": vector_table(layout)}
        if not payloads:
            return [
                Finding(
                    "collection",
                    "error",
                    f"The collection {self._name!r} has no points, and was not made for passages.",
                    "Fill it, or name another one in QDRANT_COLLECTION.",
                    details,
                )
            ]
        if proposal is None:
            return [
                Finding(
                    "mapping",
                    "error",
                    f"{message} No field of its payload looks like text.",
                    "Set CHATKIT_COLLECTION_TEXT to the field with the text, if there is one.",
                    details | {"fields": sorted({key for payload in payloads for key in payload})},
                )
            ]
        lines = proposal.lines()
        return [
            Finding(
                "mapping",
                "error",
                f"{message} It can be searched as it is once its fields are mapped.\n"
                + "\n".join(evidence_lines(proposal)),
                "Put these lines into .env, correct them where they are wrong, and run"
                " `chatkit-server doctor` again:\n" + "\n".join(lines + hint_lines(proposal)),
                details | {"kind": proposal.kind, "lines": lines},
            ),
            *find_in_sparse(layout),
            *await self._look_at_model(),
        ]

    async def _look_at_mapped(
        self, collection: MappedCollection, layout: Layout, mapping: FieldMapping
    ) -> list[Finding]:
        if await collection.is_ours():
            return [
                Finding(
                    "mapping",
                    "error",
                    f"The collection {self._name!r} was made by `chatkit-server index`, and"
                    " CHATKIT_COLLECTION_TEXT says that something else fills it.",
                    "Unset the CHATKIT_COLLECTION_* settings.",
                )
            ]
        found = [
            Finding(
                "collection",
                "ok" if layout.points else "error",
                f"The collection {self._name!r} has {layout.points} points; it is read, and never"
                " written to.",
                "" if layout.points else "Fill it, or name another one in QDRANT_COLLECTION.",
                {"points": layout.points, "vectors": vector_table(layout)},
            )
        ]
        payloads = await self._sample()
        if payloads:
            found += find_in_fields(mapping, payloads)
        found += await self._look_at_model()
        try:
            vector = choose_vector(self._name, layout, mapping.vector)
        except CollectionMismatchError as error:
            found.append(Finding("vectors", "error", as_sentence(error), "", vector_table(layout)))
            vector = None
        if vector is not None and self._embeddings is not None:
            found += self._look_at_size(vector)
            found += await self._probe(collection)
        elif vector is not None:
            found.append(
                Finding(
                    "vectors",
                    "warning" if collection.has_lexical else "error",
                    f"Its dense vectors ({vector.size} numbers) are not searched, since no"
                    " embedding model is set.",
                    "Set CHATKIT_EMBEDDING_MODEL to the model that made them"
                    + (
                        "."
                        if collection.has_lexical
                        else ", or run `chatkit-server index --add-lexical` to search by words."
                    ),
                )
            )
        found += await self._look_at_lexical(collection, layout)
        found += find_in_sparse(layout)
        return found + find_in_indexes(mapping, layout)

    async def _look_at_lexical(self, collection: MappedCollection, layout: Layout) -> list[Finding]:
        state = layout.lexical_state
        if not collection.has_lexical:
            return [
                Finding(
                    "lexical",
                    "warning",
                    "It has no lexical vectors, so names and exact words are found less well.",
                    "`chatkit-server index --add-lexical` adds them from the text that is there;"
                    " payload and other vectors stay as they are. That takes Qdrant 1.18.",
                )
            ]
        missing = await collection.count_without_lexical()
        language = str(state.get("language"))
        advice = "Run `chatkit-server index --add-lexical` again."
        if language != self._language:
            message = f"Its lexical vectors are for CHATKIT_LANGUAGE={language}."
            return [Finding("lexical", "error", message, advice)]
        if not state.get("complete") or missing:
            message = (
                f"{missing} points have no lexical vectors, or text that weighs nothing."
                if state.get("complete")
                else f"Adding lexical vectors broke off; {missing} points have none."
            )
            return [Finding("lexical", "warning", message, advice, {"missing": missing})]
        return [Finding("lexical", "ok", f"All its points have lexical vectors ({language}).")]

    # The embedding model.

    async def _look_at_model(self) -> list[Finding]:
        if self._embeddings is None:
            return []
        try:
            (vector,) = await self._embeddings.embed(["size"])
        except Exception as error:  # services fail in ways of their own
            return [
                Finding(
                    "embeddings",
                    "error",
                    f"The embedding model {self._embeddings.model!r} does not answer: "
                    f"{failure(error)}",
                    "Check CHATKIT_EMBEDDING_MODEL, OPENAI_BASE_URL and OPENAI_API_KEY.",
                )
            ]
        self._size = len(vector)
        return [
            Finding(
                "embeddings",
                "ok",
                f"{self._embeddings.model!r} answers with vectors of {self._size} numbers.",
            )
        ]

    def _look_at_size(self, vector: DenseVector) -> list[Finding]:
        assert self._embeddings is not None  # noqa: S101 - asked where there is a model
        if self._size in (None, vector.size):
            return []
        check = ModelCheck(self._embeddings.model, vector.size, self._size or 0)
        return [Finding("model", "error", as_sentence(check.explain(self._name)), _OTHER_MODEL)]

    async def _probe(self, collection: Collection) -> list[Finding]:
        if self._size is None or self._embeddings is None:
            return []
        samples = await collection.sample_dense(self._embeddings.model)
        if any(len(vector) != self._size for _, vector in samples):
            # Said by the look at the size.
            return []
        try:
            check = await compare(samples, self._embeddings)
        except Exception as error:  # as above
            message = f"The model could not be compared: {failure(error)}"
            return [Finding("model", "warning", message)]
        if check is None:
            return []
        status: Status = {"same": "ok", "unclear": "warning", "other": "error"}[check.verdict]  # type: ignore[assignment]
        return [
            Finding(
                "model",
                status,
                as_sentence(check.explain(self._name)),
                _OTHER_MODEL if status == "error" else "",
                {"cosines": [round(value, 3) for value in check.cosines]},
            )
        ]

    async def _sample(self) -> list[Mapping[str, Any]]:
        """Return payloads, from everywhere in the collection where the server can do that."""
        anywhere: dict[str, Any] = {
            "query": {"sample": "random"},
            "limit": _SAMPLE,
            "with_payload": True,
        }
        scope = dict(self._mapping.filter) if self._mapping else {}
        if scope:
            anywhere["filter"] = scope
        try:
            answers = await self._connection.send(
                "POST", self._path("/points/query/batch"), {"searches": [anywhere]}
            )
            points = answers[0]["points"] if answers else []
        except CollectionError:
            body = {"limit": _SAMPLE, "with_payload": True} | ({"filter": scope} if scope else {})
            page = await self._connection.send("POST", self._path("/points/scroll"), body)
            points = page["points"] if page else []
        return [point.get("payload") or {} for point in points]

    def _path(self, rest: str) -> str:
        return f"/collections/{quote(self._name, safe='')}{rest}"


_OTHER_MODEL = (
    "Set CHATKIT_EMBEDDING_MODEL (and CHATKIT_EMBEDDING_SIZE where its vectors were shortened) as"
    " they were when the collection was filled, or unset it to search by words."
)
