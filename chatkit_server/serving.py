"""Runs the app under uvicorn: running answers are drained before connections are cut."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import logging.config
import math
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import HANDLED_SIGNALS
from uvicorn.supervisors import Multiprocess

from .exposition import serve_for_workers
from .logs import is_json, logging_config
from .response import DRAINING, drain, stop_turns
from .settings import Settings, read_settings

if TYPE_CHECKING:
    from fastapi import FastAPI

logger = logging.getLogger("chatkit_server")

_APP = "chatkit_server.app:create_app"
_WORKER = "chatkit_server.serving:create_worker"
# For connections to close once the answers on them have ended.
_CLOSING = 5
# For a question to come over a connection that is there, seconds.
_LINGER = 1.0


class LingeringProtocol(H11Protocol):
    """A connection that may bring one more question once the server ends.

    uvicorn closes at once what has no request on it. A proxy that has just connected to send one
    would find it cut off, and can't ask another replica: nobody tells it that it was not heard.
    """

    def shutdown(self) -> None:
        asyncio.get_running_loop().call_later(_LINGER, self._close)

    def _close(self) -> None:
        if not self.transport.is_closing():
            super().shutdown()


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
        ports = [port.dup() for server in self.servers for port in server.sockets]
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        # uvloop takes one connection in each of its rounds. Those that wait behind it, maybe with a
        # question on them that was sent, would be cut off with the port.
        waited = [self._take(each) for port in ports for each in _waiting(port)]
        await asyncio.gather(*waited, return_exceptions=True)
        # What was accepted just now is told to the protocol in the loop's next round.
        await asyncio.sleep(0)
        if self.server_state.connections:
            # A proxy would send the next question over one that it keeps open, to be cut off here.
            for connection in list(self.server_state.connections):
                connection.shutdown()
            await asyncio.sleep(_LINGER)
        await drain(self.drain, self.server_state.tasks)
        await super().shutdown(sockets)

    async def _take(self, connection: socket.socket) -> None:
        def make() -> LingeringProtocol:
            return LingeringProtocol(self.config, self.server_state, self.lifespan.state)

        await asyncio.get_running_loop().connect_accepted_socket(make, connection)


def _waiting(port: socket.socket) -> Iterator[socket.socket]:
    """The connections that nobody has taken from a port yet, which is closed behind them."""
    with port:
        while True:
            try:
                yield port.accept()[0]
            except OSError:
                return


class Workers(Multiprocess):
    """uvicorn's workers. The process above them holds their port too, and lets go of it first:

    connections would wait there until it ends, for nobody.
    """

    tidy: Callable[[], None]

    def keep_subprocess_alive(self) -> None:
        super().keep_subprocess_alive()
        self.tidy()

    def terminate_all(self) -> None:
        for listening in self.sockets:
            listening.close()
        super().terminate_all()


def create_worker() -> FastAPI:
    """The app of one of several workers, whose answers end as those of a single process do.

    Workers are uvicorn's own servers. They close their connections when these are done, and so wait
    for the answers, which are told by a signal's second handler that they have to end.
    """
    from .app import create_app

    settings = read_settings()
    app = create_app(settings)
    opened = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        until = loop.time()

        def begin() -> None:
            nonlocal until
            if not DRAINING.is_set():
                DRAINING.set()
                until = loop.time() + settings.drain
                loop.call_later(settings.drain, stop_turns)

        async with opened(app):
            with _at_the_end(lambda: loop.call_soon_threadsafe(begin)):
                yield
            # Those without a reader, for whom no connection is kept.
            await drain(until - loop.time())

    app.router.lifespan_context = lifespan
    return app


@contextmanager
def _at_the_end(tell: Callable[[], object]) -> Iterator[None]:
    """Tell of the signals that end this process, after whoever handles them."""
    handlers = {number: signal.getsignal(number) for number in HANDLED_SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        handler = handlers[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        tell()

    for number in handlers:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


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
        "http": LingeringProtocol,
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
    shown = f"[{host}]" if ":" in host else host
    if host in ("127.0.0.1", "0.0.0.0", "::"):  # noqa: S104
        shown = "localhost"
    ready = f"Ready: http://{shown}:{settings.port}{'/' if settings.site_dir else '/chat'}"
    if workers > 1:
        config = uvicorn.Config(
            _WORKER,
            workers=workers,
            timeout_graceful_shutdown=math.ceil(settings.drain) + _CLOSING,
            # A worker answers nothing while it imports: on a busy machine, uvicorn's own five
            # seconds end each one before it has begun.
            timeout_worker_healthcheck=30,
            **options,
        )
        metrics = (
            serve_for_workers(settings) if settings.metrics_port else nullcontext(lambda: None)
        )
        with metrics as tidy:
            above = Workers(config, [config.bind_socket()])
            above.tidy = tidy
            say(ready)
            above.run()
        if any(worker.exitcode == STARTUP_FAILURE for worker in above.processes):
            raise SystemExit(STARTUP_FAILURE)
        return
    config = uvicorn.Config(_APP, timeout_graceful_shutdown=_CLOSING, **options)
    server = DrainingServer(config)
    server.drain = settings.drain
    server.greet = lambda: say(ready)
    with contextlib.suppress(KeyboardInterrupt):
        # uvicorn raises the signal again once everything is closed.
        # On `::` the loop alone would leave IPv4 out.
        server.run([config.bind_socket()] if ":" in host else None)
    if not server.started:
        raise SystemExit(STARTUP_FAILURE)
