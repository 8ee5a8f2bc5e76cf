"""Measures many answers at once: processor, delay and memory of one worker.

    python -m tests.bench.streams [--server ours|documented] [--readers N [--seconds S]]

A model that streams 20 deltas a second to each of 100 readers, over HTTP from a process of its
own; the readers are in another one. Then more and more readers, until what is promised for 100 no
longer holds, for our server and for the one of the SDK's guide.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any

import httpx
import psutil

from tests.bench.grounds import Grounds, Which, grounds, process, served

PACE = 20
DELTAS = 200
FEWEST = 40


@dataclass(frozen=True, slots=True)
class Load:
    """What one number of readers did to a server."""

    readers: int
    cpu: float
    """Share of one core that the server process took."""
    others: dict[str, float]
    """The same of the processes that make the load."""
    memory: float
    """MB."""
    delivered: float
    """Share of the characters offered."""
    lag: tuple[float, float]
    """Milliseconds from the model to the reader: median and 95 of 100."""
    first: tuple[float, float]
    """Milliseconds from the request to the first delta: median and 95 of 100."""
    joined: float
    """Deltas of the model in one delta for the reader."""
    failures: int
    failure: str | None

    @property
    def holds(self) -> bool:
        return (
            self.failures == 0
            and self.cpu <= 0.75
            and self.delivered >= 0.98
            and self.lag[1] < 100
            and self.first[1] < 300
            and self.memory < 400
        )

    def __str__(self) -> str:
        others = ", ".join(f"{name} {share:.1%}" for name, share in self.others.items())
        return (
            f"{self.readers:4} readers: {self.cpu:4.0%} of a core, {self.delivered:6.1%} delivered,"
            f" lag {self.lag[0]:.0f} / {self.lag[1]:.0f} ms,"
            f" first {self.first[0]:.0f} / {self.first[1]:.0f} ms, {self.memory:.0f} MB,"
            f" {self.joined:.1f} deltas in one   (beside it: {others})"
            + (f"   {self.failures} FAILED: {self.failure}" if self.failures else "")
        )


class Ordered:
    """A process that takes orders as lines of JSON."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._orders: IO[str] = process.stdin
        self._answers: IO[str] = process.stdout

    def tell(self, **order: float) -> dict[str, Any]:
        print(json.dumps(order), file=self._orders, flush=True)
        answer: dict[str, Any] = json.loads(self._answers.readline())
        return answer


class Bench:
    """A server, a model and readers, each in a process of its own."""

    def __init__(self, which: Which, where: Grounds, *, chat: bool = False) -> None:
        self._stack = ExitStack()
        self._which = which
        self._where = where
        self._chat = chat

    def __enter__(self) -> Bench:
        with self._stack:
            model = self._stack.enter_context(
                process("tests.bench.offered", "--pace", str(PACE), "--deltas", str(DELTAS))
            )
            assert model.stdout is not None
            self._model_url = model.stdout.readline().strip()
            url, self._server = self._stack.enter_context(
                served(
                    self._which,
                    self._where.dsn,
                    self._model_url,
                    self._where.folder,
                    chat=self._chat,
                )
            )
            readers = self._stack.enter_context(process("tests.bench.readers", f"{url}/chatkit"))
            self._readers = Ordered(readers)
            self._others = {
                "model": psutil.Process(model.pid),
                "readers": psutil.Process(readers.pid),
            }
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def grow(self, readers: int, over: float) -> None:
        self._readers.tell(readers=readers, over=over)
        self._count = readers

    def measure(self, seconds: float) -> Load:
        processes = {"server": self._server, **self._others}
        before = {name: sum(p.cpu_times()[:2]) for name, p in processes.items()}
        began = time.monotonic()
        seen = self._readers.tell(measure=seconds)
        took = time.monotonic() - began
        shares = {
            name: (sum(p.cpu_times()[:2]) - before[name]) / took for name, p in processes.items()
        }
        window = {"since": seen["since"], "until": seen["until"]}
        offered = httpx.get(f"{self._model_url}/offered", params=window).json()["characters"]
        deltas = seen["frames"] or 1
        nothing = float("inf")
        return Load(
            readers=self._count,
            cpu=shares.pop("server"),
            others=shares,
            memory=self._server.memory_info().rss / 1e6,
            delivered=seen["characters"] / (offered or 1),
            lag=(seen["lag_median"] or nothing, seen["lag_p95"] or nothing),
            first=(seen["first_median"] or nothing, seen["first_p95"] or nothing),
            joined=seen["deltas"] / deltas,
            failures=seen["failures"],
            failure=seen["failure"],
        )


def capacity(bench: Bench) -> int:
    """The last number of readers, each a tenth larger than the one before, with which all holds."""
    last, readers = 0, FEWEST
    while True:
        # Spread over the length of an answer, so that as many begin at any time.
        bench.grow(readers, 2.0 if last else DELTAS / PACE)
        load = bench.measure(5.0)
        print(f"    {load}", flush=True)
        if not load.holds:
            # Once more: a neighbour on the machine may have taken the processor.
            load = bench.measure(5.0)
            print(f"    {load}", flush=True)
        if not load.holds:
            return last
        last, readers = readers, round(readers * 1.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--server", choices=["ours", "documented"], help="this one only")
    parser.add_argument("--readers", type=int, help="this number only")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to measure it")
    parser.add_argument("--chat", action="store_true", help="the Chat Completions API")
    options = parser.parse_args()
    with grounds() as where:
        found: dict[str, int] = {}
        servers: tuple[Which, ...] = (options.server,) if options.server else ("ours", "documented")
        for which in servers:
            print(which)
            with Bench(which, where, chat=options.chat) as bench:
                if options.readers:
                    bench.grow(options.readers, DELTAS / PACE)
                    print(f"    {bench.measure(options.seconds)}")
                    continue
                print(
                    "  while at most 75 % of a core, 98 % delivered, lag p95 under 100 ms, first"
                    " delta p95 under 300 ms, under 400 MB:"
                )
                found[which] = capacity(bench)
                if which == "ours":
                    bench.grow(100, 2.0)
                    # The answers of those who have left come to their end.
                    time.sleep(DELTAS / PACE)
                    print(f"    {bench.measure(options.seconds)}")
    if len(found) == 2:
        ratio = found["ours"] / max(found["documented"], 1)
        print(
            f"answers at once on one worker: {found['ours']}, with the server of the SDK's guide"
            f" {found['documented']}: {ratio:.2f} x   at least 1.5 x"
        )


if __name__ == "__main__":
    main()
