"""Lets containers reach a server that listens on this machine's loopback."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager


@contextmanager
def relay(host: str, port: int) -> Iterator[int]:
    """Pass connections to `host` on to loopback's `port`; gives the port there."""
    listening: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        ended = asyncio.Event()
        server = await asyncio.start_server(lambda *streams: _pass_on(port, *streams), host, 0)
        async with server:
            there = server.sockets[0].getsockname()[1]
            listening.set_result((there, asyncio.get_running_loop(), ended))
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    there, loop, ended = listening.result(60)
    try:
        yield there
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()


async def _pass_on(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    there, back = await asyncio.open_connection("127.0.0.1", port)
    ways = [asyncio.create_task(_pipe(reader, back)), asyncio.create_task(_pipe(there, writer))]
    # Cancelled where the relay ends before they do.
    with contextlib.suppress(asyncio.CancelledError):
        # Whichever side hangs up, the other is told.
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    for closing in (writer, back):
        closing.close()
        with contextlib.suppress(OSError):
            await closing.wait_closed()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while content := await reader.read(65_536):
            writer.write(content)
            await writer.drain()
