"""Runs the app under uvicorn: running answers are drained before connections are cut."""

from __future__ import annotations

import contextlib
import logging
import logging.config
import socket
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import click
import uvicorn

from .exposition import serve_for_workers
from .logs import is_json, logging_config
from .response import drain
from .settings import Settings

logger = logging.getLogger("chatkit_server")

_APP = "chatkit_server.app:create_app"


class DrainingServer(uvicorn.Server):
    """A uvicorn server whose answers end by themselves at shutdown, or are stopped and kept.

    uvicorn alone waits for open streams for ever, or cuts them off with an error in the log.
    """

    drain = 10.0
    greet: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self.greet is not None:
            self.greet()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        # A proxy would send the next question over one that it keeps open, to be cut off here.
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await drain(self.drain)
        await super().shutdown(sockets)


def run_server(settings: Settings, *, host: str, workers: int, notes: Sequence[str] = ()) -> None:
    """Serve until a signal ends it; exits with 3 where the app can't start, as uvicorn does.

    Args:
        settings: Of the server.
        host: Address to listen on.
        workers: Processes that answer.
        notes: What is said before the start.

    Raises:
        SettingsError: the metrics' port can't be listened on.
    """
    log_config = logging_config(settings.log_level, settings.log_format)
    options: dict[str, Any] = {
        "factory": True,
        "host": host,
        "port": settings.port,
        # Again in each worker, which is a process of its own.
        "log_config": log_config,
        "log_level": settings.log_level,
        "access_log": settings.log_level == "debug",
        "server_header": False,
        # Only from where CHATKIT_TRUSTED_PROXIES says; uvicorn itself believes all of loopback.
        "proxy_headers": False,
        "ws": "none",
    }
    logging.config.dictConfig(log_config)

    def say(line: str) -> None:
        if is_json(settings.log_format):
            logger.info("%s", line)
        else:
            click.echo(line, err=True)

    for note in notes:
        say(note)
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::") else host  # noqa: S104
    ready = f"Ready: http://{shown}:{settings.port}{'/' if settings.site_dir else '/chat'}"
    if workers > 1:
        # Workers are uvicorn's own servers; what still runs after this is stopped and kept.
        grace = max(1, round(settings.drain))
        say(ready)
        metrics = serve_for_workers(settings) if settings.metrics_port else nullcontext()
        with metrics:
            uvicorn.run(
                _APP,
                workers=workers,
                timeout_graceful_shutdown=grace,
                # A worker answers nothing while it imports: on a busy machine, uvicorn's own five
                # seconds end each one before it has begun.
                timeout_worker_healthcheck=30,
                **options,
            )
        return
    server = DrainingServer(uvicorn.Config(_APP, timeout_graceful_shutdown=5, **options))
    server.drain = settings.drain
    server.greet = lambda: say(ready)
    with contextlib.suppress(KeyboardInterrupt):
        # uvicorn raises the signal again once everything is closed.
        server.run()
    if not server.started:
        raise SystemExit(3)
