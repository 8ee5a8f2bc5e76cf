"""Measures how fast documents are indexed and searched in the embedded engine.

    python tests/bench/search.py --corpora DIR [--corpus NAME]

DIR holds folders of documents; without --corpora it is this project's own documentation.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from chatkit_tools import Passages

_OWN = Path(__file__).parents[2] / "web/site/docs"
_QUESTIONS = [
    "How do I run tests in parallel?",
    "wait for an element to be visible before clicking",
    "record a video only when a test fails",
    "configure the base URL for every environment",
    "What is the difference between a fixture and a hook?",
    "take a screenshot of one element",
    "mock a network request with a delay",
    "connect to a remote database over TLS",
]
_ROUNDS = 25


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


async def measure(corpus: Path, data_dir: Path) -> None:
    """Index twice, search often, and print what it took."""
    async with Passages.open(data_dir=data_dir) as passages:
        started = time.perf_counter()
        await passages.ping()
        print(f"engine started and answering   {time.perf_counter() - started:8.2f} s")

        started = time.perf_counter()
        summary = await passages.index(corpus)
        print(
            f"indexed                        {time.perf_counter() - started:8.2f} s"
            f"   {summary.added} documents, {summary.passages} passages,"
            f" {len(summary.unreadable)} unreadable"
        )
        started = time.perf_counter()
        summary = await passages.index(corpus)
        print(
            f"indexed again                  {time.perf_counter() - started:8.2f} s"
            f"   {summary.unchanged} unchanged"
        )

        first = await time_searches(passages, _QUESTIONS)
        times = await time_searches(passages, _QUESTIONS * _ROUNDS)
        print(f"search, words not seen before  {statistics.median(first) * 1000:8.2f} ms")
        print(
            f"search                         {statistics.median(times) * 1000:8.2f} ms"
            f"   95 %: {statistics.quantiles(times, n=20)[-1] * 1000:.2f} ms"
        )
        watch = Watch()
        watching = asyncio.create_task(watch.run())
        await time_searches(passages, _QUESTIONS * _ROUNDS)
        watching.cancel()
        print(f"event loop blocked, at longest {watch.longest * 1000:8.2f} ms")
        for process in psutil.process_iter(["cmdline"]):
            if str(data_dir / "search") in (process.info["cmdline"] or []):
                size = process.memory_info().rss / 1e6
                print(f"engine's memory                {size:8.0f} MB")


async def time_searches(passages: Passages, questions: list[str]) -> list[float]:
    """Return how long each search took."""
    times: list[float] = []
    for question in questions:
        started = time.perf_counter()
        await passages.search(question)
        times.append(time.perf_counter() - started)
    return times


def main() -> None:
    """Print the table for each corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--corpora", type=Path, metavar="DIR")
    parser.add_argument("--corpus", default="playwright", metavar="NAME", help="a folder of DIR")
    options = parser.parse_args()
    corpus = options.corpora / options.corpus if options.corpora else _OWN
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "from chatkit_tools import Passages"], check=True)
    print(f"{corpus.name}\nimport in a new process        {time.perf_counter() - started:8.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(corpus, Path(folder)))


if __name__ == "__main__":
    main()
