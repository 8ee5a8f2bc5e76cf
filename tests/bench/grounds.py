"""What the measures stand on: a database, an index of our docs, servers in their own processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
import psutil

from chatkit_stores.embedded import embedded_postgres

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "web/site/docs"
Which = Literal["ours", "documented"]
"""Our server, or the one of the SDK's guide: `tests/bench/documented.py`."""

# All readers come from one address here, and ask more than any visitor would.
UNLIMITED = {
    "CHATKIT_ADDRESS_MESSAGES": "off",
    "CHATKIT_ADDRESS_REQUESTS": "off",
    "CHATKIT_VISITOR_MESSAGES": "off",
    "CHATKIT_VISITOR_REQUESTS": "off",
}


@dataclass(frozen=True, slots=True)
class Grounds:
    dsn: str
    folder: Path
    """The data folder of our server."""
    log: Path
    """The log of the database."""


@contextmanager
def grounds(*, index: bool = True) -> Iterator[Grounds]:
    """A database and, where wanted, an index of our docs, in a folder that goes with the block."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, asyncio.Runner() as runner:
        # PostgreSQL runs as another user when we are root.
        Path(name).chmod(0o755)
        data = Path(name) / "data"
        running = embedded_postgres(data / "postgres")
        dsn = runner.run(running.__aenter__())
        try:
            if index:
                subprocess.run(
                    command("chatkit_server", "index", str(DOCS), "--base-url", "/docs", "--quiet"),
                    env={**os.environ, "CHATKIT_DATA_DIR": str(data)},
                    check=True,
                    stdout=subprocess.DEVNULL,
                )
            yield Grounds(dsn, data, data / "postgres" / "data" / "server.log")
        finally:
            runner.run(running.__aexit__(None, None, None))


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


@contextmanager
def process(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A Python module in a process of its own, which the end of the block interrupts."""
    with subprocess.Popen(
        command(*arguments),
        env={**os.environ, **environment},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            started.send_signal(signal.SIGINT)
            try:
                started.wait(15)
            except subprocess.TimeoutExpired:
                started.kill()


@contextmanager
def served(
    which: Which, dsn: str, model_url: str, folder: Path, *, chat: bool = False
) -> Iterator[tuple[str, psutil.Process]]:
    """A server in a process of its own, once it is ready: its URL and its process."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
    environment = {
        "DATABASE_URL": dsn,
        "OPENAI_BASE_URL": model_url,
        "CHATKIT_MODEL": "offered",
        "CHATKIT_MODEL_API": "chat" if chat else "responses",
        "CHATKIT_DATA_DIR": str(folder),
        "CHATKIT_LOG_LEVEL": "warning",
        "PORT": port,
        **UNLIMITED,
    }
    arguments = {
        "ours": ("chatkit_server", "serve"),
        "documented": ("tests.bench.documented", port),
    }[which]
    with process(*arguments, **environment) as server:
        url = f"http://127.0.0.1:{port}"
        while True:
            try:
                if httpx.get(f"{url}/readyz").json()["status"] == "ok":
                    break
            except httpx.TransportError:
                if server.poll() is not None:
                    raise RuntimeError(f"{which} did not start; run it by hand") from None
            time.sleep(0.05)
        yield url, psutil.Process(server.pid)
