"""Runs the app under uvicorn: running answers are drained before connections are cut."""

from __future__ import annotations

import contextlib
import logging
import socket
from typing import Any

import click
import uvicorn

from .response import drain
from .settings import Settings

# Of others, only what goes wrong; they log each request, some with its content.
_QUIET = (
    "httpx", "httpcore", "httpx2", "httpcore2",
    "openai", "openai.agents", "chatkit", "psycopg.pool",
)  # fmt: skip
_APP = "chatkit_server.app:create_app"


class DrainingServer(uvicorn.Server):
    """A uvicorn server whose answers end by themselves at shutdown, or are stopped and kept.

    uvicorn alone waits for open streams for ever, or cuts them off with an error in the log.
    """

    drain = 10.0
    greeting = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self.greeting:
            click.echo(self.greeting, err=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        await drain(self.drain)
        await super().shutdown(sockets)


def run_server(settings: Settings, *, host: str, workers: int) -> None:
    """Serve until a signal ends it; exits with 3 where the app can't start, as uvicorn does."""
    options: dict[str, Any] = {
        "factory": True,
        "host": host,
        "port": settings.port,
        # Not set up here: each worker is a process of its own and does it by itself.
        "log_config": _logging(settings.log_level),
        "log_level": settings.log_level,
        "access_log": settings.log_level == "debug",
        "server_header": False,
        # Only from where CHATKIT_TRUSTED_PROXIES says; uvicorn itself believes all of loopback.
        "proxy_headers": False,
        "ws": "none",
    }
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::") else host  # noqa: S104
    ready = f"Ready: http://{shown}:{settings.port}{'/' if settings.site_dir else '/chat'}"
    if workers > 1:
        # Workers are uvicorn's own servers; what still runs after this is stopped and kept.
        grace = max(1, round(settings.drain))
        click.echo(ready, err=True)
        uvicorn.run(_APP, workers=workers, timeout_graceful_shutdown=grace, **options)
        return
    server = DrainingServer(uvicorn.Config(_APP, timeout_graceful_shutdown=5, **options))
    server.drain = settings.drain
    server.greeting = ready
    with contextlib.suppress(KeyboardInterrupt):
        # uvicorn raises the signal again once everything is closed.
        server.run()
    if not server.started:
        raise SystemExit(3)


class WithoutQuery(logging.Filter):
    """Takes the query out of uvicorn's line for a request: a signed address is a key."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and len(record.args) == 5:
            address, method, path, *rest = record.args
            record.args = (address, method, str(path).partition("?")[0], *rest)
        return True


def _logging(level: str) -> dict[str, Any]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
        },
        "filters": {"without_query": {"()": f"{__name__}.WithoutQuery"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"level": level.upper(), "handlers": ["stderr"]},
        "loggers": {
            **{name: {"level": "WARNING"} for name in _QUIET},
            "uvicorn.access": {"filters": ["without_query"]},
        },
    }
