"""The app around the parts: endpoint, health, pages."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from .background import beside
from .errors import sentence
from .headers import Protected
from .housekeeping import Housekeeping
from .identity import TokenVerifier, make_identity
from .incoming import Incoming
from .keyset import KeySet
from .pages import Site, WebFiles, chat_page
from .parts import Health, Parts, open_parts
from .rates import Rates
from .response import DRAINING, drain
from .settings import Settings, read_settings
from .tracing import open_tracing
from .watching import ProcessState, make_observer, watched

if TYPE_CHECKING:
    from .server import DocsServer


def create_app(
    settings: Settings | None = None, *, server_class: type[DocsServer] | None = None
) -> FastAPI:
    """The whole server as an ASGI app.

    Args:
        settings: Those of the environment where none are given.
        server_class: A `DocsServer` of one's own, which has actions for example.

    Raises:
        SettingsError: the environment can't be used.
    """
    configured = settings or read_settings()
    configured.check_identity()
    identity = make_identity(_verifier(configured), anonymous=configured.anonymous)

    observer = make_observer(configured)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            _traced(),
            Rates.open(configured, observer) as rates,
            open_parts(configured, observer=observer, server_class=server_class) as parts,
            watched(configured, observer, ProcessState(parts, rates)),
            _kept_tidy(parts),
        ):
            from .protocol import Limits
            from .routes import chatkit_router

            app.state.parts = parts
            DRAINING.clear()
            router = chatkit_router(
                parts.server,
                rates.guard(identity),
                count=rates.count,
                admit=rates.admit,
                admit_personal=rates.admit_personal,
                limits=Limits(
                    configured.max_body_bytes,
                    configured.max_text_chars,
                    configured.max_attachments,
                    configured.max_audio_bytes if configured.transcription_model else 0,
                ),
                keep_alive=configured.keep_alive,
            )
            app.include_router(router)
            for route, method in _routes(*app.routes, *router.routes):
                observer.request_expected(route, method)
            # Last, since it takes every path.
            if configured.site_dir is not None:
                app.mount("/", Site(directory=configured.site_dir, html=True), name="site")
            # What is loaded by now stays; the collector need not look at it for each turn.
            gc.collect()
            gc.freeze()
            yield
            # uvicorn has given running answers their time; what still runs is stopped and kept.
            await drain(0)

    app = _App(title="ChatKit for docs", docs_url=None, redoc_url=None, openapi_url=None)
    app.router.lifespan_context = lifespan
    if configured.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=configured.allowed_origins,
            allow_methods=["GET", "HEAD", "POST", "PUT", "DELETE"],
            allow_headers=[
                "Accept-Language", "Authorization", "Content-Type", "X-Session-Id",
                "X-Chatkit-Resume", "chatkit-device-id", "chatkit-frame-instance-id",
            ],
            expose_headers=[
                "Retry-After", "X-Chatkit-Keep-Alive", "X-Chatkit-Turn", "X-Request-Id",
            ],
            max_age=7200,
        )  # fmt: skip
    public = configured.public_url or ""
    app.add_middleware(Protected, hsts=configured.hsts, https=public.startswith("https:"))
    app.add_middleware(Incoming, observer=observer, proxied=bool(configured.trusted_proxies))
    if configured.trusted_proxies:
        # Outermost, so that all others see the reader's address.
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=_hosts(configured.trusted_proxies))
    app.add_exception_handler(HTTPException, _http_error)
    _add_health(app)

    @app.get("/chat")
    async def chat() -> Response:
        return chat_page()

    app.mount("/chat/static", WebFiles(), name="static")
    return app


@asynccontextmanager
async def _traced() -> AsyncIterator[None]:
    with open_tracing():
        yield


@asynccontextmanager
async def _kept_tidy(parts: Parts) -> AsyncIterator[None]:
    """Remove what is not needed any more while the server runs: files, and old chats at night."""
    attachments = parts.server.attachments
    nights = Housekeeping(parts.store, attachments, parts.settings.retention_days)
    swept = nullcontext() if attachments is None else beside(attachments.keep_swept())
    async with beside(nights.keep()), swept:
        yield


class _App(FastAPI):
    """An app whose failed start is a sentence in the log where the user can mend it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await super().__call__(scope, receive, send)
            return

        async def send_plainly(message: Message) -> None:
            # The framework sends the whole traceback, with the error at work.
            error = sys.exc_info()[1]
            plain = sentence(error) if error is not None else None
            if message["type"] == "lifespan.startup.failed" and plain is not None:
                message["message"] = plain
            await send(message)

        await super().__call__(scope, receive, send_plainly)


async def _http_error(request: Request, error: Exception) -> Response:
    """What the framework refuses, in the protocol's form."""
    assert isinstance(error, HTTPException)  # noqa: S101
    return JSONResponse(
        {"error": {"code": "http_error", "message": str(error.detail)}},
        status_code=error.status_code,
        headers=error.headers,
    )


def _hosts(networks: Sequence[str]) -> list[str]:
    """The networks, and how IPv4 looks to a server that listens on IPv6."""
    mapped = [
        f"::ffff:{network.network_address}/{96 + network.prefixlen}"
        for network in map(ip_network, networks)
        if network.version == 4
    ]
    return [*networks, *mapped]


def _routes(*routes: BaseRoute) -> Iterator[tuple[str, str]]:
    """What may be asked and how, as `Incoming` names it."""
    yield from (("site", "GET"), ("site", "HEAD"))
    for route in routes:
        if isinstance(route, Route):
            yield from ((route.path, method) for method in sorted(route.methods or ()))


def _verifier(settings: Settings) -> TokenVerifier | None:
    if not settings.jwt_on:
        return None
    secret = settings.jwt_secret
    return TokenVerifier(
        issuer=settings.jwt_issuer or "",
        audience=settings.jwt_audience,
        secret=secret.get_secret_value() if secret else None,
        keys=KeySet(settings.jwt_jwks_url) if settings.jwt_jwks_url else None,
    )


def _add_health(app: FastAPI) -> None:
    # Those who watch from outside often ask by HEAD.
    @app.api_route("/healthz", methods=["GET", "HEAD"])
    async def healthz() -> dict[str, Any]:
        """200 while the process lives."""
        return {"status": "ok", "pid": os.getpid()}

    asking: asyncio.Task[dict[str, Health]] | None = None

    @app.api_route("/readyz", methods=["GET", "HEAD"])
    async def readyz() -> Response:
        """How each part is; 503 where the server can't answer."""
        nonlocal asking
        running: Parts = app.state.parts
        if asking is None or asking.done():
            # One question for all who ask meanwhile: nobody keeps the database busy by asking.
            asking = asyncio.create_task(running.health())
        parts = await asyncio.shield(asking)
        status: Health = max(parts.values(), key=("ok", "degraded", "down").index)
        if DRAINING.is_set():
            status = "down"
        said: dict[str, Any] = {"status": status, "parts": parts}
        if (journal := running.journal) is not None:
            said["journal"] = {
                "entries": journal.entries,
                "bytes": journal.size,
                "rejected": journal.rejected,
            }
        return JSONResponse(said, status_code=503 if status == "down" else 200)
