"""The server as a process of its own, which can be killed and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import httpx

from tests.fixtures.command import free_port

# Imports are all that a start does, and a machine with other work takes long for them.
_PATIENCE = 180.0
# Far longer than any drain of these runs.
_END_WITHIN = 120.0
# A crowd of visitors from one address is what these runs are about.
_NO_LIMITS = {
    f"CHATKIT_{whose}_{what}": "off"
    for whose in ("VISITOR", "ADDRESS")
    for what in ("MESSAGES", "REQUESTS")
}


class ServerProcess:
    """`chatkit-server serve` on one port, however often it dies; settings by variable."""

    def __init__(self, folder: Path, module: str, settings: dict[str, Any]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.up = asyncio.Event()
        """Set while it answers."""
        self.kills: list[float] = []
        """`time.monotonic()` of each kill."""
        self._folder = folder
        self._log = folder / "server.log"
        self._module = module
        self._settings = {name: str(value) for name, value in settings.items()}
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @asynccontextmanager
    async def run(
        cls, folder: Path, *, module: str = "chatkit_server", **settings: Any
    ) -> AsyncIterator[Self]:
        """Run it until the block ends."""
        server = cls(folder, module, settings)
        try:
            await server.start()
            yield server
        finally:
            await server.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def complaints(self) -> str:
        """What the log says beside the turns, for the message of a test that fails."""
        lines = self.log.splitlines()
        return "\n".join(
            line for line in lines if " INFO " not in line or "pool" in line or "database" in line
        )

    async def start(self) -> None:
        with self._log.open("ab") as log:
            arguments = ["serve", "--port", str(self.port)]
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module, *arguments],
                # Where no .env lies.
                cwd=self._folder,
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(self._folder),
                    "PYTHONPATH": os.pathsep.join(sys.path),
                    "CHATKIT_LOG_FORMAT": "text",
                    **_NO_LIMITS,
                    **self._settings,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _PATIENCE
        async with httpx.AsyncClient() as http:
            while True:
                try:
                    if (await http.get(f"{self.url}/healthz")).status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the server did not start:\n{self.log}")
                await asyncio.sleep(0.05)
        self.up.set()

    async def kill(self) -> None:
        """SIGKILL: nothing is drained, nothing is closed."""
        await self.end(signal.SIGKILL)

    async def end(self, by: signal.Signals) -> None:
        assert self._process is not None
        self.up.clear()
        self._process.send_signal(by)
        if by == signal.SIGKILL:
            self.kills.append(time.monotonic())
        try:
            await asyncio.to_thread(self._process.wait, _END_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise

    async def stop(self) -> None:
        """SIGTERM, as an operator would, unless it has ended."""
        if self._process is not None and self._process.poll() is None:
            await self.end(signal.SIGTERM)

    async def vitals(self, http: httpx.AsyncClient) -> dict[str, Any]:
        """What the process has open, where it runs `tests.faults.observed`."""
        found: dict[str, Any] = (await http.get(f"{self.url}/vitals")).json()
        return found


def tasks_left(before: dict[str, Any], after: dict[str, Any]) -> Counter[str]:
    """What runs after, by name, and did not before; of two looks at the vitals."""
    return Counter(after["tasks"]) - Counter(before["tasks"])
