"""Measures how fast 10,000 passages are searched in the embedded engine.

    python -m tests.bench.search --corpora DIR

DIR holds folders of documents; they are indexed again and again, as another version each time,
until there are enough. What the search takes is compared with the engine's own query, made in the
engine's own process: the same vector, filter and number of candidates, read with their payloads.
"""

import argparse
import asyncio
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import psutil
import qdrant_edge

from chatkit_tools import MarkdownFolder, Passages
from chatkit_tools.bodies import query_request
from chatkit_tools.collection import Collection
from chatkit_tools.connection import Connection, connect_engine
from chatkit_tools.lexical import Lexical
from tests.bench.grounds import command

PASSAGES = 10_000
SIZE = 384
ROUNDS = 5
QUESTIONS = [
    "How do I run tests in parallel?",
    "wait for an element to be visible before clicking",
    "record a video only when a test fails",
    "configure the base URL for every environment",
    "What is the difference between a fixture and a hook?",
    "take a screenshot of one element",
    "mock a network request with a delay",
    "connect to a remote database over TLS",
    "rate limit requests by the address of the client",
    "How can I write a policy for roles with domains?",
    "Why does my selector return a new value every time?",
    "invalidate the cache after a mutation",
    "log requests to kafka",
    "How do I use TypeScript with createSlice?",
    "run a proxy in front of gRPC",
    "test a page that needs a login",
]


class Scripted:
    """Vectors that cost nothing, the same for the same text."""

    model = "scripted"
    size = SIZE

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return vectors in any direction."""
        # As a service would, out of the event loop's way.
        return await asyncio.to_thread(lambda: [_direction(text) for text in texts])


def _direction(text: str) -> list[float]:
    numbers = random.Random(text)
    return [numbers.gauss(0, 1) for _ in range(SIZE)]


class Recorder:
    """Keeps what is asked of the engine."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.near = connection.near
        self.bodies: list[dict[str, Any]] = []

    async def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send a request, and keep it when it is a query."""
        if path.endswith("/query/batch") and body:
            self.bodies.append(orjson.loads(orjson.dumps(body)))
        return await self.connection.send(method, path, body)


def with_payloads(body: dict[str, Any]) -> dict[str, Any]:
    """Ask for what is found in one go, as anybody would who has the engine in the process."""
    return {"searches": [{**search, "with_payload": True} for search in body["searches"]]}


class Watch:
    """Looks how long the event loop did not come round."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0)
            self.longest = max(self.longest, time.perf_counter() - before)


async def watched(work: Awaitable[Any]) -> float:
    """Return for how many milliseconds the event loop stood still at most."""
    watch = Watch()
    watching = asyncio.create_task(watch.run())
    await work
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    return watch.longest * 1000


async def fill(passages: Passages, corpora: Path) -> None:
    """Index the corpora until there are enough passages, each round as an older version."""
    for number in range(9, 0, -1):
        for corpus in sorted(path for path in corpora.iterdir() if path.is_dir()):
            url = f"/{corpus.name}/{number}.0"
            await passages.index(MarkdownFolder(corpus, url, version=f"{number}.0"))
            if await passages.count() >= PASSAGES:
                return


async def timed(calls: Sequence[Callable[[], Awaitable[Any]]]) -> list[float]:
    """Return how many milliseconds each call took, the first of each left out."""
    times: list[float] = []
    for number in range(ROUNDS + 1):
        for call in calls:
            started = time.perf_counter()
            await call()
            if number:
                times.append((time.perf_counter() - started) * 1000)
    return times


def time_bare(folder: Path, bodies: list[dict[str, Any]]) -> list[float]:
    """Return how long the engine alone takes for these queries, in this process."""
    shard = qdrant_edge.EdgeShard.load(str(folder))
    batches = [
        qdrant_edge.QueryBatchRequest([query_request(search) for search in body["searches"]])
        for body in bodies
    ]
    times: list[float] = []
    for number in range(ROUNDS + 1):
        for batch in batches:
            started = time.perf_counter()
            shard.query_batch(batch)
            if number:
                times.append((time.perf_counter() - started) * 1000)
    shard.close()
    return times


def show(what: str, times: Sequence[float], bare: float | None = None) -> None:
    """Print a line of the table."""
    median, slowest = statistics.median(times), statistics.quantiles(times, n=20)[-1]
    ratio = f"   {median / bare:5.2f} times the bare call" if bare else ""
    print(f"{what:44} {median:6.2f} ms   95 %: {slowest:6.2f} ms{ratio}", flush=True)


async def measure(name: str, corpora: Path, data_dir: Path, embeddings: Scripted | None) -> None:
    """Print the table for one kind of search."""
    async with connect_engine(data_dir / "search") as connection:
        recorder = Recorder(connection)
        passages = Passages(Collection(name, recorder), Lexical(), embeddings, None)
        await fill(passages, corpora)
        print(f"{name} search in {await passages.count():,} passages", flush=True)
        searches = [partial(passages.search, question) for question in QUESTIONS]
        first = [await timed_once(search) for search in searches]
        recorder.bodies.clear()
        for search in searches:
            await search()
        bodies = [with_payloads(body) for body in recorder.bodies]
        path = f"/collections/{name}/points/query/batch"
        through = await timed([partial(connection.send, "POST", path, body) for body in bodies])
        ours = await timed(searches)
        blocked = await watched(timed(searches))
        # Everything is on disk after a run; the copy is the other process's own.
        shutil.copytree(data_dir / "search" / name / "shard", data_dir / "bare")
        (data_dir / "bodies.json").write_bytes(orjson.dumps(bodies))
        done = subprocess.run(
            [*command("tests.bench.search"), "--bare", str(data_dir)],
            check=True,
            capture_output=True,
        )
        shutil.rmtree(data_dir / "bare")
        # A hybrid search sends its two queries one after the other.
        queries = len(bodies) // len(QUESTIONS)
        bare = sums(json.loads(done.stdout), queries)
        middle = statistics.median(bare)
        show("the bare engine, in its own process", bare)
        show("the same queries through the socket", sums(through, queries), middle)
        show("search", ours, middle)
        show("search, words not seen before", first, middle)
        print(f"{'event loop blocked by searches, at longest':44} {blocked:6.2f} ms   goal: 20 ms")
        corpus = next(path for path in sorted(corpora.iterdir()) if path.is_dir())
        blocked = await watched(beside(command("tests.bench.search"), name, data_dir, corpus))
        print(f"{'the same by `index` in its own process':44} {blocked:6.2f} ms   goal: 20 ms")
        blocked = await watched(passages.index(MarkdownFolder(corpus, "/again")))
        print(f"{'the same by an index run in this process':44} {blocked:6.2f} ms")
        for process in psutil.process_iter(["cmdline"]):
            if str(data_dir / "search") in (process.info["cmdline"] or []):
                size = process.memory_info().rss / 1e6
                print(f"{'memory of the engine':44} {size:6.0f} MB")


async def beside(us: list[str], name: str, data_dir: Path, corpus: Path) -> None:
    """Index the corpus once more in a process of its own, as `chatkit-server index` does."""
    done = await asyncio.create_subprocess_exec(
        *us, "--index", str(corpus), "--into", str(data_dir), "--name", name
    )
    if await done.wait():
        raise SystemExit("the index run failed")


async def index_into(name: str, data_dir: Path, corpus: Path) -> None:
    """Be that process."""
    embeddings = Scripted() if name == "hybrid" else None
    async with connect_engine(data_dir / "search") as connection:
        passages = Passages(Collection(name, connection), Lexical(), embeddings, None)
        await passages.index(MarkdownFolder(corpus, "/beside"))


async def timed_once(call: Callable[[], Awaitable[Any]]) -> float:
    """Return how many milliseconds one call took."""
    started = time.perf_counter()
    await call()
    return (time.perf_counter() - started) * 1000


def sums(times: Sequence[float], size: int) -> list[float]:
    """Add up the times of the queries that belong together."""
    return [sum(times[start : start + size]) for start in range(0, len(times), size)]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--corpora", type=Path, metavar="DIR", help="folders of documents")
    what.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    what.add_argument("--index", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--name", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        bodies = json.loads((options.bare / "bodies.json").read_bytes())
        json.dump(time_bare(options.bare / "bare", bodies), sys.stdout)
        return
    if options.index:
        asyncio.run(index_into(options.name, options.into, options.index))
        return
    for name, embeddings in (("lexical", None), ("hybrid", Scripted())):
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(measure(name, options.corpora, Path(folder), embeddings))
            print()


if __name__ == "__main__":
    main()
