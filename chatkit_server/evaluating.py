"""The command `eval`: measures the search with questions whose answers are known."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .command import Failure, plain, run, settings_for

if TYPE_CHECKING:
    from chatkit_tools import Passages
    from chatkit_tools.comparison import Comparison
    from chatkit_tools.evaluation import Evaluation, Row
    from chatkit_tools.questions import Places, Question

    from .settings import Settings

# Enough for ten distinct pages, since a search returns at most three passages of each.
_HITS = 30
_SHOWN = 10


class _Bound(click.ParamType[tuple[str, float]]):
    """`MEASURE=VALUE`, the measure in any case."""

    name = "MEASURE=VALUE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        from chatkit_tools.evaluation import MEASURES

        name, _, bound = str(value).rpartition("=")
        measures = {measure.lower(): measure for measure in MEASURES}
        if name.strip().lower() not in measures:
            self.fail(f"{value!r} names no measure; they are {', '.join(MEASURES)}", param, ctx)
        try:
            number = float(bound)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self.fail(f"{value!r} must end with a number, as in R@5=0.8", param, ctx)
        return measures[name.strip().lower()], number


_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("eval")
@click.argument("questions", type=_FILE, metavar="FILE")
@click.option("--corpus", metavar="NAME", help="Ask only the questions of this corpus.")
@click.option("--limit", type=click.IntRange(1), help="Ask only the first questions.")
@click.option("--baseline", type=_FILE, help="Compare with what --save wrote earlier.")
@click.option("--save", type=_FILE, help="Write everything as JSON, for --baseline.")
@click.option("--report", type=_FILE, help="Write a page with plots and every question.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option(
    "--fail-under", "least", type=_Bound(), multiple=True, help="Exit with 1 below it. Repeatable."
)
@click.option(
    "--fail-over", "most", type=_Bound(), multiple=True, help="Exit with 1 above it. Repeatable."
)
def evaluate(
    questions: Path,
    corpus: str | None,
    limit: int | None,
    baseline: Path | None,
    save: Path | None,
    report: Path | None,
    as_json: bool,
    least: Sequence[tuple[str, float]],
    most: Sequence[tuple[str, float]],
) -> None:
    """Measure the search with questions whose answers are known.

    FILE has a JSON object a line, with `id`, `question`, and in `gold` the pages that answer it:

    \b
      {"id": "1", "question": "How do I rename it?", "gold": ["guides/names.md#rename"]}

    A question without `gold` is one that the docs don't answer. Measures are R@5, R@10, MRR@10
    and nDCG@10 by page, the same by heading (heading.R@5, ...), refused.unanswerable,
    refused.answerable, AUC, and p50 and p95 of the milliseconds a search takes.
    """
    from chatkit_tools.comparison import compare, read_evaluation
    from chatkit_tools.evaluation import fails
    from chatkit_tools.questions import read_questions

    with _file_named(questions):
        asked = read_questions(questions.read_bytes(), corpus)[:limit]
    for path in (save, report):
        if path and not path.parent.is_dir():
            raise Failure(f"{path}: there is no folder {path.parent}")
    earlier = None
    if baseline:
        with _file_named(baseline):
            earlier = read_evaluation(baseline.read_bytes())
    settings = settings_for()

    async def work() -> Evaluation:
        from .search import open_passages

        async with open_passages(settings) as passages:
            return await _evaluate(passages, asked, questions.name, settings, quiet=as_json)

    evaluation = run(work)
    comparison = compare(earlier, baseline.name, evaluation) if earlier and baseline else None
    failed = fails(evaluation, dict(least), dict(most))
    if comparison and not comparison.differences:
        failed.append(f"no question is word for word the same in {plain(comparison.baseline)}")
        comparison = None
    _write(evaluation, comparison, save, report)
    if as_json:
        click.echo(_as_json(evaluation, comparison))
    else:
        for line in _describe(evaluation, comparison):
            click.echo(line)
    for said in failed:
        click.echo(f"failed: {said}", err=True)
    if failed:
        sys.exit(1)


@contextmanager
def _file_named(path: Path) -> Iterator[None]:
    """Say which file it is that can't be used."""
    from chatkit_tools.errors import QuestionsError

    try:
        yield
    except OSError as exc:
        raise Failure(f"{path}: {exc.strerror or exc}") from None
    except QuestionsError as exc:
        raise Failure(f"{path}: {exc}") from None


async def _evaluate(
    passages: Passages,
    questions: Sequence[Question],
    name: str,
    settings: Settings,
    *,
    quiet: bool,
) -> Evaluation:
    from chatkit_tools.evaluation import Evaluation, find_threshold, measure, measure_latency
    from chatkit_tools.questions import Places

    places = Places(await passages.places())
    if not len(places):
        raise Failure(
            f"nothing is indexed in the collection {settings.qdrant_collection!r};"
            " see `chatkit-server index --help`"
        )
    # The first search of a process learns what the collection holds, which no reader waits for.
    await _ask(passages, questions[0], places)
    rows: list[Row] = []
    with _progress(questions, quiet=quiet) as shown:
        for question in shown:
            rows.append(await _ask(passages, question, places))  # noqa: PERF401 - one at a time
    return Evaluation(
        questions=name,
        collection=settings.qdrant_collection,
        embedding_model=settings.embedding_model,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        pages=len(places),
        threshold=find_threshold(rows),
        measures=measure(rows),
        latency=measure_latency(rows),
        rows=tuple(rows),
    )


async def _ask(passages: Passages, question: Question, places: Places) -> Row:
    from chatkit_tools.evaluation import judge

    started = time.perf_counter()
    results = await passages.search(
        question.question, limit=_HITS, version=question.version, locale=question.locale
    )
    milliseconds = (time.perf_counter() - started) * 1000
    return judge(
        question,
        places,
        results,
        milliseconds=round(milliseconds, 3),
        covered=results.covered,
        confidence=results.confidence,
    )


@contextmanager
def _progress(questions: Sequence[Question], *, quiet: bool) -> Iterator[Iterable[Question]]:
    if quiet or not sys.stderr.isatty():
        yield questions
        return
    with click.progressbar(questions, label="Asking", file=sys.stderr) as bar:
        yield bar


def _write(
    evaluation: Evaluation, comparison: Comparison | None, save: Path | None, report: Path | None
) -> None:
    from chatkit_tools.report import render_report

    if save:
        _write_text(save, _as_json(evaluation, None))
    if report:
        _write_text(report, render_report(evaluation, comparison))


def _write_text(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise Failure(f"{path}: {exc.strerror or exc}") from None


def _as_json(evaluation: Evaluation, comparison: Comparison | None) -> str:
    whole = evaluation.model_dump(mode="json")
    # Beside the evaluation's own fields, so that what is printed can be a baseline too.
    if comparison:
        whole["comparison"] = comparison.model_dump(mode="json")
    return json.dumps(whole, ensure_ascii=False, indent=2)


def _describe(evaluation: Evaluation, comparison: Comparison | None) -> Iterator[str]:
    """Yield the lines that are printed."""
    answerable = sum(row.answerable for row in evaluation.rows)
    yield (
        f"{_count(answerable, 'question')} with an answer, {len(evaluation.rows) - answerable}"
        f" without, over {_count(evaluation.pages, 'page')}."
    )
    yield ""
    yield f"{'':22}{'value':>7}   {'95 % interval':16}questions"
    for name, measure in evaluation.measures.items():
        yield (
            f"{name:22}{measure.value:7.3f}   {measure.low:.3f} to {measure.high:.3f}  "
            f"{measure.count:7}"
        )
    latency = evaluation.latency
    yield f"{'latency':22}{latency.p50:7.1f} ms at p50, {latency.p95:.1f} ms at p95"
    missing = [row for row in evaluation.rows if row.missing]
    if missing:
        yield ""
        yield f"{_count(len(missing), 'question')} with wanted places that can't be found:"
        for row in missing:
            for place in row.missing:
                yield plain(f"  {row.id}: {place.gold}: {place.reason}")
    corpora = {row.corpus for row in missing if row.corpus}
    if len({row.corpus for row in evaluation.rows}) > 1 and corpora:
        yield "The questions are of several corpora; --corpus NAME asks those of one."
    if comparison:
        yield from _describe_comparison(comparison)


def _describe_comparison(comparison: Comparison) -> Iterator[str]:
    yield ""
    yield f"Compared with {plain(comparison.baseline)} of {plain(comparison.created_at)}:"
    yield f"{'':22}{'before':>7} {'after':>7} {'change':>8}   {'95 % interval':18}questions"
    for name, found in comparison.differences.items():
        yield (
            f"{name:22}{found.before:7.3f} {found.after:7.3f} {found.difference:+8.3f}   "
            f"{found.low:+.3f} to {found.high:+.3f} {found.count:8}"
            f"{'  *' if found.certain else ''}"
        )
    if any(found.certain for found in comparison.differences.values()):
        yield "* the interval leaves out zero"
    for better, word in ((True, "better"), (False, "worse")):
        changes = [change for change in comparison.changes if change.better == better]
        if changes:
            yield ""
            yield f"{_count(len(changes), 'question')} got {word}:"
            for change in changes:
                yield plain(
                    f"  {change.id}: {change.before} → {change.after}: {change.question[:80]}"
                )
    if comparison.not_compared:
        names = ", ".join(comparison.not_compared[:_SHOWN])
        more = "" if len(comparison.not_compared) <= _SHOWN else ", …"
        yield ""
        yield plain(
            f"Not compared, since they are not the same in both:"
            f" {len(comparison.not_compared)} ({names}{more})"
        )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
