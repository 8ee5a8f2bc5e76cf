"""Measures what one process, several workers and several replicas take and carry.

    python -m tests.bench.load [--only "3 replicas"]

All on this machine, which the servers share with the database, the search engine, the model and
the readers: what is carried together is bounded by its cores, and what a stream costs is not.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psutil

from tests.bench.grounds import UNLIMITED, Grounds, command, grounds, process
from tests.bench.streams import Ordered
from tests.fixtures.postgres import rows

OPEN = 200
"""Streams that are open at once while memory is measured."""
STREAMS = 60
"""Streams that a processor's share is measured with, 20 pieces a second each."""
ASKING = 24
"""Readers who ask again as soon as they are answered, for turns a second."""
_CONNECTIONS = "select count(*) from pg_stat_activity where application_name = 'chatkit'"


@dataclass(frozen=True, slots=True)
class Arrangement:
    name: str
    replicas: int = 1
    workers: int = 1

    @property
    def processes(self) -> int:
        """That answer."""
        return self.replicas * self.workers


ARRANGEMENTS = (
    Arrangement("1 process"),
    Arrangement("--workers 3", workers=3),
    Arrangement("3 replicas", replicas=3),
)


class Server:
    """One replica: a process, or one with workers below it."""

    def __init__(self, where: Grounds, model_url: str, workers: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = str(listening.getsockname()[1])
        self.url = f"http://127.0.0.1:{port}"
        self._workers = workers
        self._environment = {
            **UNLIMITED,
            "DATABASE_URL": where.dsn,
            "OPENAI_BASE_URL": model_url,
            "CHATKIT_MODEL": "offered",
            "CHATKIT_MODEL_API": "responses",
            "CHATKIT_DATA_DIR": str(where.folder),
            "CHATKIT_LOG_LEVEL": "warning",
            "PORT": port,
        }

    @contextmanager
    def run(self) -> Iterator[float]:
        """Gives the seconds until every process of it was ready."""
        began = time.monotonic()
        workers = ["--workers", str(self._workers)] if self._workers > 1 else []
        with process("chatkit_server", "serve", *workers, **self._environment) as started:
            self._process = psutil.Process(started.pid)
            ready: set[int] = set()
            while len(ready) < self._workers:
                try:
                    # A connection each, so that each worker is met.
                    if httpx.get(f"{self.url}/readyz").json()["status"] == "ok":
                        ready.add(httpx.get(f"{self.url}/healthz").json()["pid"])
                except httpx.TransportError:
                    if started.poll() is not None:
                        raise RuntimeError("the server did not start; run it by hand") from None
                    time.sleep(0.02)
            yield time.monotonic() - began

    @property
    def processes(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]


@dataclass(frozen=True, slots=True)
class Memory:
    """MB, all processes of a replica together."""

    rss: float
    pss: float
    """What is shared is divided among those who share it."""

    def __str__(self) -> str:
        return f"{self.rss:.0f} MB (proportional {self.pss:.0f})"


def memory(server: Server) -> Memory:
    found = [each.memory_full_info() for each in server.processes]
    return Memory(sum(f.rss for f in found) / 1e6, sum(f.pss for f in found) / 1e6)


def files(servers: Sequence[Server]) -> int:
    """That the servers have open: connections, files of the journal, and the rest."""
    return sum(each.num_fds() for server in servers for each in server.processes)


def busy(servers: Sequence[Server]) -> float:
    """Seconds of a processor that the servers have taken."""
    times = [each.cpu_times() for server in servers for each in server.processes]
    return float(sum(t.user + t.system for t in times))


@contextmanager
def model(pace: float, deltas: int) -> Iterator[str]:
    arguments = ("--pace", str(pace), "--deltas", str(deltas))
    with process("tests.bench.offered", *arguments) as offered:
        assert offered.stdout is not None
        yield offered.stdout.readline().strip()


@contextmanager
def crowd(servers: Sequence[Server]) -> Iterator[Ordered]:
    urls = [f"{server.url}/chatkit" for server in servers]
    with process("tests.bench.readers", *urls) as readers:
        yield Ordered(readers)


@contextmanager
def running(
    arrangement: Arrangement, where: Grounds, model_url: str
) -> Iterator[tuple[list[Server], list[float]]]:
    servers = [Server(where, model_url, arrangement.workers) for _ in range(arrangement.replicas)]
    with ExitStack() as stack:
        # One after another, as a rolling deployment starts them.
        times = [stack.enter_context(server.run()) for server in servers]
        yield servers, times


def connections(where: Grounds) -> int:
    [(count,)] = asyncio.run(rows(where.dsn, _CONNECTIONS))
    return int(count)


def show(what: str, measured: str) -> None:
    print(f"  {what:52} {measured}", flush=True)


def measured(readers: Ordered, servers: Sequence[Server], seconds: float) -> tuple[Any, float]:
    """What the readers have seen, and the cores that the servers have taken."""
    before, began = busy(servers), time.monotonic()
    seen = readers.tell(measure=seconds)
    taken = (busy(servers) - before) / (time.monotonic() - began)
    if seen["failures"]:
        raise RuntimeError(f"{seen['failures']} failures, the first: {seen['failure']}")
    return seen, taken


def measure(arrangement: Arrangement, where: Grounds) -> float:
    """Print it, and give the turns a second."""
    print(f"\n{arrangement.name}", flush=True)
    # Slowly, so that the streams are open and little else.
    with model(2, 120) as url, running(arrangement, where, url) as (servers, times):
        show("start until /readyz is ok", f"{statistics.median(times):.1f} s a replica")
        idle = [memory(server) for server in servers]
        show("memory of a replica, idle", str(max(idle, key=lambda each: each.rss)))
        show("connections to the database, idle", f"{connections(where)}")
        before = files(servers)
        show("open files of a replica, idle", f"{before / len(servers):.0f}")
        with crowd(servers) as readers:
            readers.tell(readers=OPEN, over=20.0)
            measured(readers, servers, 5.0)
            full = [memory(server) for server in servers]
            held, after = connections(where), files(servers)
        show(
            f"memory of a replica, {OPEN} streams open in all",
            str(max(full, key=lambda each: each.rss)),
        )
        grown = sum(f.pss - i.pss for f, i in zip(full, idle, strict=True))
        show("memory of one stream", f"{grown / OPEN * 1000:.0f} KB")
        show("open files of one stream", f"{(after - before) / OPEN:.2f}")
        show(
            f"connections to the database, {OPEN} streams open",
            f"{held}, {held / arrangement.processes:.1f} a process",
        )
    with model(20, 200) as url, running(arrangement, where, url) as (servers, _):
        with crowd(servers) as readers:
            readers.tell(readers=STREAMS, over=10.0)
            seen, cores = measured(readers, servers, 10.0)
        show(
            f"{STREAMS} streams of 20 pieces a second",
            f"{cores:.2f} cores, {STREAMS / cores:.0f} streams a core",
        )
        show(
            "  question to first text, median and 95 of 100",
            f"{seen['first_median']:.0f} ms, {seen['first_p95']:.0f} ms",
        )
        show("  model to reader, 95 of 100 pieces", f"{seen['lag_p95']:.0f} ms")
        joined = seen["deltas"] / max(seen["frames"], 1)
        if joined > 2:
            # A server that gets too little of the processor joins pieces, and a stream costs less.
            show("  NOT COMPARABLE: the machine was busy", f"{joined:.1f} pieces in one")
    # All at once: what is left is what a turn costs.
    with model(10_000, 40) as url, running(arrangement, where, url) as (servers, _):
        with crowd(servers) as readers:
            readers.tell(readers=ASKING, over=2.0)
            seen, cores = measured(readers, servers, 10.0)
            most = connections(where)
        turns = seen["answers"] / (seen["until"] - seen["since"])
        show(
            f"turns a second, {ASKING} readers who ask on and on",
            f"{turns:.0f} on {cores:.2f} cores, {turns / cores:.0f} a core",
        )
        show(
            "  question to first text, median and 95 of 100",
            f"{seen['first_median']:.0f} ms, {seen['first_p95']:.0f} ms",
        )
        show("  connections to the database", f"{most}, {most / arrangement.processes:.1f} each")
    return float(turns)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", metavar="NAME", help="this arrangement alone")
    only = parser.parse_args().only
    print(f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 1e9:.0f} GB")
    with grounds() as where:
        subprocess.run(
            command("chatkit_server", "migrate"),
            env={**os.environ, "DATABASE_URL": where.dsn, "CHATKIT_DATA_DIR": str(where.folder)},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        turns = {
            arrangement.name: measure(arrangement, where)
            for arrangement in ARRANGEMENTS
            if only in (None, arrangement.name)
        }
    if len(turns) > 1:
        print("\nturns a second against one process:")
        for name, count in turns.items():
            show(name, f"{count / turns[ARRANGEMENTS[0].name]:.2f} x")


if __name__ == "__main__":
    main()
