"""Measures retrieval over corpora of documents with known questions.

    python tests/bench/retrieval.py --corpora DIR [--embeddings URL --model NAME] [--save FILE]

DIR holds a folder for each corpus, with a `meta.json` that names its site; the questions are in
`dev.jsonl` and `dev_unanswerable.jsonl` beside DIR, or in the files that `--questions` names, each
with its `corpus`. Our own docs come last, with questions of their own. A hit is any wanted page
among the first k distinct pages. With `--embeddings` the search is hybrid; `tests/bench/minilm.py`
serves a model for that. `--save` writes what the verdicts were made of, for
`tests/bench/verdict.py`.
"""

import argparse
import asyncio
import json
import math
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import fmean
from typing import Any

from qdrant_edge import Bm25, Bm25Config

from chatkit_tools import OpenAIEmbeddings, Passages
from chatkit_tools.documents import MarkdownFolder
from chatkit_tools.evaluation import (
    Row,
    auc,
    confidences,
    judge,
    mean_interval,
    measure_latency,
    ndcg,
    recall,
    reciprocal_rank,
)
from chatkit_tools.passage import Passage, make_passages
from chatkit_tools.questions import Places, Question, read_questions
from chatkit_tools.source import Document

# At most three passages of a page, so this many hits hold ten pages.
_HITS = 30
_MAY_REFUSE = 2
_ROOT = Path(__file__).parents[2]
_OUR_DOCS = _ROOT / "web/site/docs"
_OUR_QUESTIONS = _ROOT / "tests/tools/questions/own.jsonl"
_OURS = "our own docs"
_MEASURES: dict[str, Callable[[Row], float]] = {
    "R@5": lambda row: recall(row.page_ranks, 5),
    "R@10": lambda row: recall(row.page_ranks, 10),
    "MRR@10": lambda row: reciprocal_rank(row.page_ranks),
    "nDCG@10": lambda row: ndcg(row.page_ranks, row.pages_wanted),
}


class PlainBm25:
    """What everybody has: BM25 with the usual parameters over the texts of the passages."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        words = Bm25(Bm25Config(language="english", k=1e9, b=0.0))
        lengths = [sum(words.embed_document(passage.text).values) for passage in passages]
        self._model = Bm25(Bm25Config(language="english", avg_len=fmean(lengths)))
        self._passages = passages
        self._postings: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for number, passage in enumerate(passages):
            found = self._model.embed_document(passage.text)
            for token, weight in zip(found.indices, found.values, strict=True):
                self._postings[token].append((number, weight))

    def search(self, question: str) -> list[Passage]:
        """Return the best passages."""
        scores: dict[int, float] = defaultdict(float)
        for token in self._model.embed_query(question).indices:
            held = self._postings.get(token, [])
            rarity = math.log(1 + (len(self._passages) - len(held) + 0.5) / (len(held) + 0.5))
            for number, weight in held:
                scores[number] += rarity * weight
        best = sorted(scores, key=lambda number: -scores[number])
        return [self._passages[number] for number in best]


async def measure(
    corpus: Path,
    name: str,
    site: str,
    questions: Sequence[Question],
    data_dir: Path,
    embeddings: OpenAIEmbeddings | None,
    evidence: list[dict[str, Any]] | None,
) -> tuple[list[Row], list[Row]]:
    """Return a row for each question, and those of plain BM25."""
    rows: list[Row] = []
    plain: list[Row] = []
    async with Passages.open(data_dir=data_dir, embeddings=embeddings) as passages:
        await passages.index(corpus, base_url=site)
        places = Places(await passages.places())
        documents = [
            document
            async for document in MarkdownFolder(corpus, base_url=site).read({})
            if isinstance(document, Document)
        ]
        baseline = PlainBm25([passage for page in documents for passage in make_passages(page)])
        for question in questions:
            own = question.corpus == name
            if not own and (evidence is None or not question.gold):
                continue
            started = time.perf_counter()
            results = await passages.search(question.question, limit=_HITS)
            taken = (time.perf_counter() - started) * 1000
            if evidence is not None and results.evidence:
                evidence.append(
                    {
                        "corpus": name,
                        "id": question.id,
                        "answerable": own and bool(question.gold),
                        "own": own,
                        "coverage": results.evidence.coverage,
                        "words": results.evidence.words,
                        "relatedness": results.evidence.relatedness,
                    }
                )
            if own:
                rows.append(
                    judge(
                        question,
                        places,
                        results,
                        milliseconds=taken,
                        covered=results.covered,
                        confidence=results.confidence,
                    )
                )
                found = baseline.search(question.question)
                plain.append(judge(question, places, found, milliseconds=0))
    return rows, plain


def describe(name: str, rows: Sequence[Row]) -> str:
    """Return one line of the table."""
    answerable = [row for row in rows if row.answerable]
    values = "".join(
        f"  {name} {fmean(map(value, answerable)):.3f}" for name, value in _MEASURES.items()
    )
    five, ten = (
        sum(bool(recall(row.page_ranks, depth)) for row in answerable) for depth in (5, 10)
    )
    return f"{name:16}{values}   ({five} and {ten} of {len(answerable)})"


def compare(rows: Sequence[Row], plain: Sequence[Row]) -> list[str]:
    """Return the differences from plain BM25, with 95 % intervals over the questions."""
    lines = []
    pairs = [pair for pair in zip(rows, plain, strict=True) if pair[0].answerable]
    for name, value in _MEASURES.items():
        differences = [value(row) - value(other) for row, other in pairs]
        low, high = mean_interval(differences)
        lines.append(
            f"  {name:8} {fmean(value(other) for _, other in pairs):.3f}"
            f"  {fmean(differences):+.3f}  [{low:+.3f}, {high:+.3f}]"
        )
    return lines


def describe_refusals(rows: Sequence[Row]) -> list[str]:
    """Say what is refused as it ships, and what could be where two answerable ones may be."""
    answerable, unanswerable = confidences(rows)
    if not answerable or not unanswerable:
        return []
    lost = sum(row.covered is False for row in rows if row.answerable)
    right = sum(row.covered is False for row in rows if not row.answerable)
    threshold = sorted(answerable)[_MAY_REFUSE]
    possible = sum(confidence < threshold for confidence in unanswerable)
    return [
        f"refused as it ships: {right} of {len(unanswerable)} unanswerable,"
        f" {lost} of {len(answerable)} answerable",
        f"with {_MAY_REFUSE} of {len(answerable)} answerable refused (below {threshold:.3f}):"
        f" {possible} of {len(unanswerable)} unanswerable",
        f"AUC of the confidence {auc(answerable, unanswerable):.3f}",
    ]


async def run(options: argparse.Namespace) -> None:
    """Measure every corpus, and print."""
    beside = options.corpora.parent
    files = options.questions or [beside / "dev.jsonl", beside / "dev_unanswerable.jsonl"]
    questions = [question for file in files for question in read_questions(file.read_bytes())]
    evidence: list[dict[str, Any]] | None = [] if options.save else None
    everything: list[Row] = []
    baseline: list[Row] = []
    async with AsyncExitStack() as stack:
        embeddings = None
        if options.embeddings:
            embeddings = await stack.enter_async_context(
                OpenAIEmbeddings(options.model, base_url=options.embeddings)
            )
        for corpus in sorted(path for path in options.corpora.iterdir() if path.is_dir()):
            if not any(question.corpus == corpus.name for question in questions):
                continue
            site = json.loads((corpus / "meta.json").read_text())["site"]
            with tempfile.TemporaryDirectory() as folder:
                rows, plain = await measure(
                    corpus, corpus.name, site, questions, Path(folder), embeddings, evidence
                )
            print(describe(corpus.name, rows), flush=True)
            everything += rows
            baseline += plain
        ours = [
            question.model_copy(update={"corpus": _OURS})
            for question in read_questions(_OUR_QUESTIONS.read_bytes())
        ]
        with tempfile.TemporaryDirectory() as folder:
            rows, _ = await measure(
                _OUR_DOCS, _OURS, "/docs", ours, Path(folder), embeddings, evidence
            )
        print(describe(_OURS, rows))
        print(*describe_refusals(rows), "", sep="\n")
    print(describe("all but our own", everything))
    print("\nplain BM25, and the difference from it with its 95 % interval")
    print(*compare(everything, baseline), sep="\n")
    print("", *describe_refusals(everything), sep="\n")
    latency = measure_latency(everything)
    print(f"a search took {latency.p50:.1f} ms, 95 %: {latency.p95:.1f} ms")
    if options.save:
        lines = "".join(json.dumps(entry) + "\n" for entry in evidence or [])
        options.save.write_text(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--corpora", type=Path, required=True, metavar="DIR")
    parser.add_argument("--questions", type=Path, action="append", metavar="FILE")
    parser.add_argument("--embeddings", metavar="URL", help="address of a /v1/embeddings")
    parser.add_argument("--model", default="all-MiniLM-L6-v2", metavar="NAME")
    parser.add_argument("--save", type=Path, metavar="FILE")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
