"""Puts the parts together: database, search, agent and server.

What is not used is not imported: the Agents SDK alone takes a second and 100 MB.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .background import beside
from .errors import SettingsError
from .observer import Observer
from .search import GuardedSearch, check_model, open_passages
from .settings import Settings
from .signing import Signer, read_secret
from .storage import connect_store, open_blobs, open_database

if TYPE_CHECKING:
    from agents.models.interface import Model

    from chatkit_stores import PostgresStore
    from chatkit_tools import Passages

    from .attachments import Attachments
    from .journal import Journal
    from .server import DocsServer

logger = logging.getLogger("chatkit_server")

_SERVER = "chatkit_server.server"
Health = Literal["ok", "degraded", "down"]
_PING_TIMEOUT = 2.0


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
        connect_store(dsn, settings, observer) as store,
        contextlib.AsyncExitStack() as stack,
    ):
        folder = settings.journal_folder if journal else None
        kept = stack.enter_context(_open_journal(folder))
        await importing
        from chatkit_tools.tool import parse_passages, render_passages, search_docs_tool

        from .agent import make_agent, make_quoter, open_models, run_config_for
        from .allowance import Allowance
        from .dictation import make_transcriber
        from .file_parts import FileParts
        from .quoting import QuotingModel
        from .rewriting import Rewriter
        from .server import DocsServer
        from .team import members
        from .toolservers import connected
        from .trail import Trails

        quoting = QuotingModel(parse_passages)
        models: dict[str, Model] = {}
        opened = rewriter = None
        if settings.model_on:
            opened = await stack.enter_async_context(open_models(settings))
            models = opened.answering
            if opened.rewriting is not None:
                rewriter = Rewriter(opened.rewriting, settings.site_name)
        model = next(iter(models.values()), quoting)
        limit = settings.search_limit
        search = GuardedSearch(passages, observer)
        agent = make_agent(settings, search_docs_tool(search, limit=limit), model, opened)
        await stack.enter_async_context(connected(members(agent)))
        attachments = _make_attachments(settings, store, observer)
        server = (server_class or DocsServer)(
            store,
            partial(search.search, limit=limit),
            render_passages,
            agent,
            fallback=make_quoter(quoting) if settings.model_on else None,
            history_tokens=settings.history_tokens,
            site_url=settings.site_url,
            turn_timeout=settings.turn_timeout,
            models=models,
            run_config=run_config_for(agent, opened) if opened else None,
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
                await stack.enter_async_context(beside(_migrate_when_back(parts, migration_dsn)))
        stack.push_async_callback(server.allowance.close)
        await stack.enter_async_context(beside(server.journaled.keep_replaying()))
        if server.salvage is not None:
            await stack.enter_async_context(beside(server.salvage.keep_looking()))
        await stack.enter_async_context(beside(check_model(passages)))
        await _rehearse(parts, quoting)
        yield parts


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
