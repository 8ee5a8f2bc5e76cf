"""The search of the docs: opened as the settings say, and left in peace while it is down."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from .breaker import Breaker
from .errors import SettingsError
from .observer import Observer, observed
from .settings import Settings

if TYPE_CHECKING:
    from pydantic import SecretStr

    from chatkit_tools import Embeddings, Passages, Reranker, Results, Source
    from chatkit_tools.findings import Finding
    from chatkit_tools.mapping import FieldMapping

logger = logging.getLogger("chatkit_server")

# A search takes milliseconds; the client's own limit is made for indexing.
_SEARCH_WITHIN = 5.0
# How long to wait before the embedding model is compared again that could not be.
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0


class GuardedSearch:
    """The passages, left in peace while they are down."""

    def __init__(self, passages: Passages, observer: Observer) -> None:
        self._passages = passages
        self._observer = observer
        self.breaker = Breaker("search", lambda error: isinstance(error, ConnectionError))

    @property
    def versions(self) -> Sequence[str]:
        """Those of the docs, as the last search has found them."""
        return self._passages.versions

    async def search(
        self,
        query: str,
        *,
        limit: int = 8,
        version: str | None = None,
        locale: str | None = None,
    ) -> Results:
        from chatkit_tools import CollectionError

        with self.breaker.call(), observed(self._observer, "search", limit=limit):
            try:
                async with asyncio.timeout(_SEARCH_WITHIN):
                    return await self._passages.search(
                        query, limit=limit, version=version, locale=locale
                    )
            except TimeoutError as error:
                raise ConnectionError("the search does not answer") from error
            except CollectionError as error:
                # Settings that don't fit the collection. To a reader it is the same: no sources.
                raise ConnectionError(str(error)) from error


@asynccontextmanager
async def open_passages(settings: Settings) -> AsyncIterator[Passages]:
    """The collection that the settings name: a server's, or the embedded engine's."""
    settings.check_embedded("search")
    from chatkit_tools import Passages

    async with (
        open_search_models(settings) as (embeddings, reranker),
        Passages.open(
            collection=settings.qdrant_collection,
            data_dir=None if settings.qdrant_url else settings.data_dir,
            url=settings.qdrant_url,
            api_key=_secret(settings.qdrant_api_key),
            embeddings=embeddings,
            reranker=reranker,
            language=settings.language,
            version=settings.default_version,
            locale=settings.default_locale,
            mapping=_mapping(settings),
        ) as passages,
    ):
        yield passages


async def check_model(passages: Passages) -> None:
    """Compare the collection's vectors with the embedding model, as soon as both answer.

    A model of another size or kind gives an order that means nothing, and nothing else shows it.
    """
    from chatkit_tools import CollectionError

    pause = _FIRST_PAUSE
    while True:
        try:
            check = await passages.check_model()
        except ConnectionError as error:
            logger.info("the embedding model could not be compared yet: %s", error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            continue
        except CollectionError as error:
            logger.error("%s", error)
            return
        if check is not None and check.verdict != "same":
            level = logging.ERROR if check.verdict == "other" else logging.WARNING
            logger.log(level, "%s", check.explain(passages.collection))
        return


async def look_at_collection(settings: Settings) -> list[Finding]:
    """What is right and wrong with the collection and the embedding model; nothing is changed."""
    settings.check_embedded("search")
    from chatkit_tools.survey import Survey

    async with (
        open_search_models(settings) as (embeddings, _),
        Survey.open(
            settings.qdrant_collection,
            data_dir=None if settings.qdrant_url else settings.data_dir,
            url=settings.qdrant_url,
            api_key=_secret(settings.qdrant_api_key),
            embeddings=embeddings,
            language=settings.language,
            mapping=_mapping(settings),
        ) as survey,
    ):
        return await survey.findings()


def open_source(where: str, **options: Any) -> Source:
    """The docs that are to be indexed; `chatkit_tools.opening` has the options."""
    from chatkit_tools.opening import open_source

    return open_source(where, **options)


@asynccontextmanager
async def open_search_models(
    settings: Settings,
) -> AsyncIterator[tuple[Embeddings | None, Reranker | None]]:
    """The models that help the search, as far as the settings name any."""
    from chatkit_tools.embeddings import open_embeddings
    from chatkit_tools.reranking import open_reranker

    async with contextlib.AsyncExitStack() as stack:
        embeddings: Embeddings | None = None
        reranker: Reranker | None = None
        if name := settings.embedding_model:
            with _explained("CHATKIT_EMBEDDING_MODEL", name):
                embeddings = await stack.enter_async_context(
                    open_embeddings(
                        name,
                        base_url=settings.openai_base_url,
                        api_key=_secret(settings.openai_api_key),
                        size=settings.embedding_size,
                    )
                )
        if settings.rerank_url or settings.rerank_model:
            with _explained("CHATKIT_RERANK_MODEL", settings.rerank_model or ""):
                reranker = await stack.enter_async_context(
                    open_reranker(
                        settings.rerank_url,
                        model=settings.rerank_model,
                        api_key=_secret(settings.rerank_api_key),
                    )
                )
        yield embeddings, reranker


def _mapping(settings: Settings) -> FieldMapping | None:
    """How the collection's payload is read; None for one that `index` fills."""
    if not settings.collection_text:
        return None
    from chatkit_tools.mapping import FieldMapping

    return FieldMapping(
        text=settings.collection_text,
        url=settings.collection_url,
        title=settings.collection_title,
        headings=settings.collection_heading,
        anchor=settings.collection_anchor,
        version=settings.collection_version,
        locale=settings.collection_locale,
        base_url=settings.collection_base_url,
        root=settings.collection_root,
        vector=settings.collection_vector,
        filter=settings.collection_filter,
    )


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value else None


@contextlib.contextmanager
def _explained(variable: str, value: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError:
        raise SettingsError(
            f"{variable} is {value!r}, which needs one more package: "
            "pip install 'chatkit-server[fastembed]'"
        ) from None
    except ValueError as error:
        raise SettingsError(f"{variable} is {value!r}: {error}") from None
