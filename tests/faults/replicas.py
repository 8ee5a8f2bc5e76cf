"""Three servers that share nothing but a database and a search engine, and the way to them."""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal, Self

import httpx

from tests.faults.process import ServerProcess
from tests.fixtures.nginx import NGINX, balanced

REPLICAS = 3


class Replicas:
    """Servers in their own processes, behind nginx where that is installed.

    Where it is not, whoever asks for the address is led to one server after another.
    """

    def __init__(self, servers: list[ServerProcess], front: str | None) -> None:
        self.servers = servers
        self.front: Literal["nginx", "one after another"]
        self.front = "nginx" if front is not None else "one after another"
        self.kills: list[float] = []
        """`time.monotonic()` of each."""
        self.stops = 0
        self.starts: list[float] = []
        """Seconds until each server that was started again was ready."""
        addresses = [front] if front is not None else [server.url for server in servers]
        self._addresses = itertools.cycle(addresses)

    @classmethod
    @asynccontextmanager
    async def run(cls, folder: Path, **settings: Any) -> AsyncIterator[Self]:
        """Run them until the block ends, with one folder for their journals: it is one machine."""
        async with AsyncExitStack() as stack:
            servers = []
            for number in range(REPLICAS):
                own = folder / f"replica-{number}"
                own.mkdir()
                servers.append(
                    await stack.enter_async_context(
                        ServerProcess.run(own, CHATKIT_JOURNAL_DIR=folder / "journal", **settings)
                    )
                )
            front = None
            if NGINX is not None:
                front = stack.enter_context(balanced([server.port for server in servers]))
            yield cls(servers, front)

    def address(self) -> str:
        return next(self._addresses)

    @property
    def faults(self) -> int:
        return len(self.kills) + self.stops

    async def trouble(self, rolls: random.Random, enough: asyncio.Event) -> None:
        """Kill one after another, now and then politely; the last one is back before the next."""
        for number in itertools.count():
            await asyncio.sleep(rolls.uniform(1.5, 3.0))
            if enough.is_set():
                return
            server = self.servers[number % REPLICAS]
            if number % 4 == 1:
                self.stops += 1
                await server.end(signal.SIGTERM)
            else:
                await server.end(signal.SIGKILL)
                self.kills.append(server.kills[-1])
            await self.start(server)

    async def start(self, server: ServerProcess) -> None:
        began = time.monotonic()
        await server.start()
        async with httpx.AsyncClient(timeout=60) as http:
            while (await http.get(f"{server.url}/readyz")).status_code != 200:
                await asyncio.sleep(0.05)
        self.starts.append(time.monotonic() - began)
