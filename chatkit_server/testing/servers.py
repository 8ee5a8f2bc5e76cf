"""Real servers in threads: whatever streams can't be shown by calling an app directly."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from chatkit_server.serving import DrainingServer


@contextmanager
def serve_in_thread(app: ASGIApp, *, graceful: float = 5.0) -> Iterator[str]:
    """Serve an ASGI app on a free loopback port; gives its URL, without a slash at the end.

    The lifespan runs in the server's thread. Leaving the block shuts the server down, giving open
    streams `graceful` seconds.

    Raises:
        RuntimeError: the app's lifespan failed.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    server = DrainingServer(
        uvicorn.Config(
            app,
            lifespan="on",
            loop="asyncio",
            log_config=None,
            proxy_headers=False,
            timeout_graceful_shutdown=5,
            ws="none",
        )
    )
    server.drain = graceful
    started = threading.Event()
    startup = server.startup

    async def note_startup(sockets: list[socket.socket] | None = None) -> None:
        await startup(sockets)
        started.set()

    server.startup = note_startup  # type: ignore[method-assign]

    def run() -> None:
        try:
            server.run(sockets=[listening])
        finally:
            started.set()

    thread = threading.Thread(target=run, name="served-app", daemon=True)
    thread.start()
    try:
        if not started.wait(60) or not server.started:
            raise RuntimeError("the app did not start; its log says why")
        host, port = listening.getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(graceful + 30)
        listening.close()
