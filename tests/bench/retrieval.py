"""Measures lexical retrieval over corpora of documents with known questions.

    python tests/bench/retrieval.py --corpora DIR

DIR holds a folder for each corpus, with a `meta.json` that names its site; the questions are in
`dev.jsonl` beside DIR, or in the file that `--questions` names. A hit is any gold page among the
first k distinct pages.
"""

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from chatkit_tools import Passages

_DEPTH = 10


async def rank_pages(passages: Passages, question: str) -> list[str]:
    """Return the first distinct pages that a search gives."""
    # At most three passages of a page, so this many hits hold enough pages.
    hits = await passages.search(question, limit=_DEPTH * 3)
    return list(dict.fromkeys(hit.document for hit in hits))[:_DEPTH]


async def measure(corpus: Path, questions: list[dict[str, Any]], folder: Path) -> list[int]:
    """Return the rank of the first gold page for each question, 0 where there is none."""
    site = json.loads((corpus / "meta.json").read_text())["site"]
    ranks: list[int] = []
    async with Passages.open(data_dir=folder) as passages:
        await passages.index(corpus, base_url=site)
        for question in questions:
            gold = {page["path"] for page in question["gold"]}
            pages = await rank_pages(passages, question["question"])
            ranks.append(next((rank for rank, page in enumerate(pages, 1) if page in gold), 0))
    return ranks


def describe(name: str, ranks: list[int]) -> str:
    """Return one line of the table."""

    def share(depth: int) -> float:
        return sum(0 < rank <= depth for rank in ranks) / len(ranks)

    reciprocal = sum(1 / rank for rank in ranks if rank) / len(ranks)
    first_five = sum(0 < rank <= 5 for rank in ranks)
    return (
        f"{name:16} R@5 {share(5):.3f}  R@10 {share(10):.3f}  MRR@10 {reciprocal:.3f}"
        f"  ({first_five} of {len(ranks)} among the first five)"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--corpora", type=Path, required=True, metavar="DIR")
    parser.add_argument("--questions", type=Path, metavar="FILE")
    options = parser.parse_args()
    file = options.questions or options.corpora.parent / "dev.jsonl"
    questions = [json.loads(line) for line in file.read_text().splitlines() if line.strip()]
    everything: list[int] = []
    for corpus in sorted(path for path in options.corpora.iterdir() if path.is_dir()):
        asked = [question for question in questions if question["corpus"] == corpus.name]
        if not asked:
            continue
        with tempfile.TemporaryDirectory() as folder:
            ranks = asyncio.run(measure(corpus, asked, Path(folder)))
        print(describe(corpus.name, ranks), flush=True)
        everything += ranks
    print(describe("all", everything))


if __name__ == "__main__":
    main()
