"""Measures how fast documents are indexed in the embedded engine.

    python -m tests.bench.indexing --corpora DIR

DIR holds folders of documents, each with a `meta.json` that names its site and counts its words.
All of them go into one collection, one source each.
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

from chatkit_tools import MarkdownFolder, Passages


def sources(corpora: Path) -> list[tuple[MarkdownFolder, int]]:
    """Return the folders with their words."""
    found: list[tuple[MarkdownFolder, int]] = []
    for corpus in sorted(path for path in corpora.iterdir() if path.is_dir()):
        meta = json.loads((corpus / "meta.json").read_text())
        found.append((MarkdownFolder(corpus, meta["site"]), meta["words"]))
    return found


async def measure(corpora: Path, data_dir: Path) -> None:
    """Index everything twice, and print what it took."""
    found = sources(corpora)
    words = sum(count for _, count in found)
    async with Passages.open(data_dir=data_dir) as passages:
        for name, goal in (("full index", 40.0), ("the same again", 4.0)):
            started = time.perf_counter()
            summaries = [await passages.index(source) for source, _ in found]
            seconds = time.perf_counter() - started
            pages = sum(summary.added + summary.unchanged for summary in summaries)
            written = sum(summary.written for summary in summaries)
            print(
                f"{name:15} {seconds:6.2f} s, goal {goal:.0f}: {pages} pages, {words:,} words,"
                f" {summaries[-1].passages} passages, {written} written",
                flush=True,
            )


def main() -> None:
    """Print both lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--corpora", type=Path, required=True, metavar="DIR")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(options.corpora, Path(folder)))


if __name__ == "__main__":
    main()
