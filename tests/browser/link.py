"""A network link between the browser and a server, which a test can cut and mend."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")


class Link:
    """Passes connections on to a server; all of its methods are for the test's thread."""

    def __init__(self, target: str) -> None:
        self.to(target)
        self.url = ""
        self._up = True
        self._losing: bytes | None = None
        self._lost = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._passing: set[asyncio.Task[Any]] = set()
        self._open: set[asyncio.StreamWriter] = set()
        self._read: set[asyncio.StreamReader] = set()
        self._dead: set[asyncio.StreamReader] = set()

    def to(self, target: str) -> None:
        """Lead to another server from the next connection on."""
        address = urlsplit(target)
        assert address.hostname is not None
        self._target = (address.hostname, address.port)

    def cut(self) -> None:
        """Break all connections, and refuse new ones until `mend`."""
        self._up = False
        self._run(self._break())

    def mend(self) -> None:
        self._up = True

    def hush(self) -> None:
        """Pass on nothing more of the responses that are under way, and tell nobody."""
        self._dead = set(self._read)

    def lose_response_to(self, request: str) -> None:
        """Let the next request that contains this arrive, and break after its response's headers.

        Without those Chromium sends a request again by itself, over a connection that it had open.
        """
        self._lost.clear()
        self._losing = request.encode()

    def wait_until_lost(self) -> None:
        assert self._lost.wait(60), "no such request came"

    @contextmanager
    def serve(self) -> Iterator[None]:
        listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread = threading.Thread(target=self._loop.run_forever, name="link")
        thread.start()
        try:
            server = self._run(asyncio.start_server(self._pass_on, sock=listening))
            yield
            self._run(self._end(server))
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _break(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _end(self, server: asyncio.Server) -> None:
        server.close()
        self._up = False
        await self._break()
        await asyncio.gather(*self._passing)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)
        host, port = self._target
        try:
            upstream, downstream = await asyncio.open_connection(host, port)
        except OSError:
            writer.transport.abort()
            return
        if not self._up:
            writer.transport.abort()
            downstream.transport.abort()
            return
        self._open |= {writer, downstream}
        self._read.add(upstream)
        losing = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._requests(reader, downstream, losing, upstream))
                group.create_task(self._responses(upstream, writer, losing))
        except* (ConnectionError, OSError):
            pass
        finally:
            self._open -= {writer, downstream}
            self._read.discard(upstream)
            writer.transport.abort()
            downstream.transport.abort()

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        losing: asyncio.Event,
        responses: asyncio.StreamReader,
    ) -> None:
        while data := await reader.read(65536):
            # A connection that was idle was not dead.
            self._dead.discard(responses)
            if self._losing is not None and self._losing in data:
                self._losing = None
                losing.set()
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError("the browser has left")

    async def _responses(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: asyncio.Event
    ) -> None:
        while data := await reader.read(65536):
            if losing.is_set():
                writer.write(data[: data.index(b"\r\n\r\n") + 4])
                await writer.drain()
                self._lost.set()
                raise ConnectionResetError("lost on its way")
            if reader not in self._dead:
                writer.write(data)
                await writer.drain()
        if reader in self._dead:
            await asyncio.Future()
        with contextlib.suppress(OSError):
            writer.write_eof()
        raise ConnectionResetError("the server has left")
