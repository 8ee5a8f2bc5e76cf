"""Puts the parts together: database, search, agent and server.

The only module that knows the stores and the tools. What a command does not use, it does not
import: the Agents SDK alone takes a second and 100 MB.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .breaker import Breaker
from .errors import SettingsError
from .observer import Observer, observed
from .settings import Settings
from .signing import Signer, read_secret

if TYPE_CHECKING:
    from agents.models.interface import Model
    from pydantic import SecretStr

    from chatkit_stores import Answering, PostgresStore
    from chatkit_stores.answering import Mode
    from chatkit_stores.blobs import FolderBlobs, S3Blobs
    from chatkit_stores.unanswered import UnansweredQuestion
    from chatkit_tools import Embeddings, Passages, Reranker, Results, Source
    from chatkit_tools.findings import Finding
    from chatkit_tools.mapping import FieldMapping

    from .attachments import Attachments
    from .journal import Journal
    from .server import DocsServer

logger = logging.getLogger("chatkit_server")

_SERVER = "chatkit_server.server"
Health = Literal["ok", "degraded", "down"]
_PING_TIMEOUT = 2.0
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


@dataclass(slots=True)
class Parts:
    """The running parts of one process."""

    settings: Settings
    server: DocsServer
    store: PostgresStore
    passages: Passages
    search: GuardedSearch
    journal: Journal | None
    migrated: bool
    """Whether the database has the schema that this version needs."""
    unusable: bool = False
    """Whether the database can't be given that schema."""

    async def health(self) -> dict[str, Health]:
        """How each part is, asked now."""
        database, search = await asyncio.gather(
            self._reach(self.store.ping()), self._reach(self.passages.ping())
        )
        if database == "down":
            # Messages are answered all the same, without what was said before.
            database = "degraded"
        if search == "ok" and self.search.breaker.is_open:
            # It answers, and no question has been tried on it since.
            search = "degraded"
        return {
            "database": "down" if self.unusable else database if self.migrated else "degraded",
            # Without search the model still answers, without sources.
            "search": "degraded" if search == "down" and self.settings.model_on else search,
            "model": "degraded" if self.server.answerer.model_failed else "ok",
        }

    @staticmethod
    async def _reach(ping: Any) -> Health:
        from chatkit_tools import CollectionError

        try:
            async with asyncio.timeout(_PING_TIMEOUT):
                await ping
        except (ConnectionError, TimeoutError, CollectionError):
            return "down"
        return "ok"


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


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[tuple[str, str]]:
    """Two DSNs, for the pool and for migrations; of the embedded Postgres where none is set."""
    if settings.database_url is not None:
        pooled = settings.database_url.get_secret_value()
        unpooled = settings.database_url_unpooled
        yield pooled, unpooled.get_secret_value() if unpooled else pooled
        return
    settings.check_embedded("database")
    from chatkit_stores.embedded import embedded_postgres

    async with embedded_postgres(settings.data_dir / "postgres") as dsn:
        yield dsn, dsn


@asynccontextmanager
async def _open_store(
    dsn: str, settings: Settings, observer: Observer | None = None
) -> AsyncIterator[PostgresStore]:
    from chatkit_stores import PostgresStore

    told = observer or Observer()
    async with PostgresStore.open(
        dsn,
        max_size=settings.pool_size,
        watch=lambda statements: observed(told, "store", statements=statements),
    ) as store:
        yield store


def open_blobs(settings: Settings) -> FolderBlobs | S3Blobs:
    """Where the bytes of attachments lie; the settings must name a place.

    Raises:
        SettingsError: the place can't be used.
    """
    from chatkit_stores.blobs import BlobsUnavailableError, FolderBlobs, S3Blobs

    assert settings.attachments is not None  # noqa: S101
    folder = settings.files_dir
    if folder is None:
        secret = settings.aws_secret_access_key
        try:
            return S3Blobs(
                settings.attachments,
                access_key_id=settings.aws_access_key_id,
                secret_access_key=secret.get_secret_value() if secret else None,
                region=settings.aws_region,
                endpoint=settings.aws_endpoint_url,
            )
        except ModuleNotFoundError:
            raise SettingsError(
                f"CHATKIT_ATTACHMENTS is {settings.attachments!r}, which needs one more package: "
                "pip install 'chatkit-server[s3]'"
            ) from None
        except ValueError as error:
            raise SettingsError(
                f"CHATKIT_ATTACHMENTS is {settings.attachments!r}: {error}; write it like "
                "s3://bucket/prefix"
            ) from None
    blobs = FolderBlobs(folder)
    try:
        blobs.make_folder()
    except BlobsUnavailableError as error:
        raise SettingsError(
            f"CHATKIT_ATTACHMENTS is {settings.attachments!r}: {error}; "
            "name a folder that you may write to"
        ) from None
    return blobs


def _make_attachments(
    settings: Settings, store: PostgresStore, observer: Observer
) -> Attachments | None:
    """Where attached files are kept; None where the settings name no place.

    Raises:
        SettingsError: the place can't be used.
    """
    if settings.attachments is None:
        return None
    from chatkit_stores import new_id

    from .attachments import Attachments

    return Attachments(
        store,
        open_blobs(settings),
        Signer(read_secret(settings)),
        lambda: new_id("attachment"),
        types=settings.attachment_types,
        max_bytes=settings.max_attachment_bytes,
        public_url=settings.public_url,
        taken=observer.attached,
    )


@contextlib.contextmanager
def _open_journal(folder: Path | None) -> Iterator[Journal | None]:
    with contextlib.ExitStack() as stack:
        journal = None
        if folder is not None:
            from .journal import Journal

            try:
                journal = stack.enter_context(Journal.open(folder))
            except OSError as error:
                raise SettingsError(
                    f"the journal can't be kept in {str(folder)!r}: {error.strerror}; set "
                    "CHATKIT_JOURNAL_DIR to a folder that you may write to"
                ) from None
        yield journal


@asynccontextmanager
async def open_parts(
    settings: Settings,
    *,
    journal: bool = True,
    observer: Observer | None = None,
    server_class: type[DocsServer] | None = None,
) -> AsyncIterator[Parts]:
    """Open every part; close them in turn when the block ends.

    A database that can't be reached does not stop the start: it is migrated when it is back, and
    what was said meanwhile is brought to it, unless no journal is wanted.
    """
    settings.check_embedded("database", "search")
    # Beside the start of Postgres and the engine, and each takes a second or two.
    importing = asyncio.create_task(asyncio.to_thread(importlib.import_module, _SERVER))
    settings.make_data_dir()
    observer = observer or Observer()
    async with (
        open_passages(settings) as passages,
        open_database(settings) as (dsn, migration_dsn),
        _open_store(dsn, settings, observer) as store,
        contextlib.AsyncExitStack() as stack,
    ):
        folder = settings.journal_folder if journal else None
        kept = stack.enter_context(_open_journal(folder))
        await importing
        from chatkit_tools.tool import parse_passages, render_passages, search_docs_tool

        from .agent import make_agent, make_quoter, open_models
        from .allowance import Allowance
        from .dictation import make_transcriber
        from .file_parts import FileParts
        from .quoting import QuotingModel
        from .rewriting import Rewriter
        from .server import DocsServer
        from .trail import Trails

        quoting = QuotingModel(parse_passages)
        models: dict[str, Model] = {}
        model_settings = rewriter = None
        if settings.model_on:
            opened = await stack.enter_async_context(open_models(settings))
            models, model_settings = opened.answering, opened.settings
            if opened.rewriting is not None:
                rewriter = Rewriter(opened.rewriting, settings.site_name)
        model = next(iter(models.values()), quoting)
        limit = settings.search_limit
        search = GuardedSearch(passages, observer)
        attachments = _make_attachments(settings, store, observer)
        server = (server_class or DocsServer)(
            store,
            partial(search.search, limit=limit),
            render_passages,
            make_agent(settings, search_docs_tool(search, limit=limit), model, model_settings),
            fallback=make_quoter(quoting) if settings.model_on else None,
            history_tokens=settings.history_tokens,
            site_url=settings.site_url,
            turn_timeout=settings.turn_timeout,
            models=models,
            rewriter=rewriter,
            own_answers=settings.own_answers,
            attachments=attachments,
            files=FileParts(attachments.content, text_tokens=settings.attachment_tokens)
            if attachments is not None
            else None,
            transcriber=make_transcriber(settings),
            allowance=Allowance(
                store.add_usage,
                per_user=settings.daily_tokens_per_visitor,
                in_all=settings.daily_tokens,
            ),
            journal=kept,
            trails=Trails(folder) if folder is not None else None,
            observer=observer,
            prices=settings.token_prices,
            log_questions=settings.log_questions,
        )
        parts = Parts(
            settings,
            server,
            store,
            passages,
            search,
            kept,
            migrated=settings.migrate == "off",
        )
        stack.push_async_callback(server.journaled.close)
        if settings.migrate == "auto":
            try:
                await _migrate(parts, migration_dsn)
            except ConnectionError as error:
                logger.warning("database is not reachable, trying on: %s", error)
                await stack.enter_async_context(_beside(_migrate_when_back(parts, migration_dsn)))
        stack.push_async_callback(server.allowance.close)
        await stack.enter_async_context(_beside(server.journaled.keep_replaying()))
        if server.salvage is not None:
            await stack.enter_async_context(_beside(server.salvage.keep_looking()))
        await stack.enter_async_context(_beside(check_model(passages)))
        await _rehearse(parts, quoting)
        yield parts


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Work that goes on until the block ends."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _rehearse(parts: Parts, model: Model) -> None:
    try:
        await parts.server.rehearse(model)
        if parts.migrated:
            # The pool connects in the background; the first reader would wait for it.
            await parts.store.ping()
    except Exception:
        logger.warning("the rehearsal failed; the first answer will be slow", exc_info=True)


async def _migrate(parts: Parts, dsn: str) -> None:
    from chatkit_stores import migrate

    for name in await migrate(dsn):
        logger.info("applied migration %s", name)
    parts.migrated = True


async def _migrate_when_back(parts: Parts, dsn: str) -> None:
    pause = 1.0
    while not parts.migrated:
        await asyncio.sleep(pause)
        pause = min(pause * 2, 15.0)
        try:
            await _migrate(parts, dsn)
        except ConnectionError as error:
            logger.warning("database is still not reachable: %s", error)
        except Exception:
            logger.exception("migrations failed; the server stays without its database")
            parts.unusable = True
            return


async def migrate_database(settings: Settings) -> list[str]:
    """Apply the migrations that are missing; their names."""
    from chatkit_stores import migrate

    settings.make_data_dir()
    async with open_database(settings) as (_, dsn):
        return await migrate(dsn)


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[PostgresStore]:
    """The store alone, for commands."""
    settings.make_data_dir()
    async with open_database(settings) as (dsn, _), _open_store(dsn, settings) as store:
        yield store


async def load_unanswered(settings: Settings, days: int) -> list[UnansweredQuestion]:
    """What readers have asked in the last days and the docs did not answer, newest first."""
    async with open_store(settings) as store:
        return await store.load_unanswered(days=days)


async def switch_answering(settings: Settings, mode: Mode | None, message: str | None) -> Answering:
    """How answering is switched in the database, after a change where there is a mode."""
    async with open_store(settings) as store:
        if mode is not None:
            await store.set_answering(mode, message)
        return await store.load_answering()
