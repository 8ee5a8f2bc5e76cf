"""Writes an evaluation as a page of HTML that stands alone and runs nothing."""

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from chatkit_tools.comparison import Comparison
from chatkit_tools.evaluation import (
    DEPTH,
    LESS_IS_BETTER,
    Evaluation,
    Place,
    Row,
    first_rank,
    recall_by_depth,
)
from chatkit_tools.plots import (
    Interval,
    Line,
    draw_bars,
    draw_histogram,
    draw_intervals,
    draw_lines,
    draw_strips,
)

_SHOWN = 5
_LONG = 600


def render_report(evaluation: Evaluation, comparison: Comparison | None = None) -> str:
    """Return the page.

    Questions, titles and addresses come from anywhere: all are escaped, a link is made of web
    addresses alone, and the page's policy keeps any script from running.
    """
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    search = evaluation.embedding_model or "words alone"
    title = f"Search measured with {evaluation.questions}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="quiet">{escape(evaluation.created_at)} · collection'
        f" {escape(evaluation.collection)}, {evaluation.pages:,} pages · {escape(search)}</p>",
        f"<p>{_say_counts(evaluation.rows)}</p>",
        _measures(evaluation),
        *(_comparison(comparison) if comparison else ()),
        "<h2>Plots</h2>",
        f'<div class="plots">{"".join(_plots(evaluation, comparison))}</div>',
        *_missing(evaluation.rows),
        "<h2>Questions, worst first</h2>",
        _questions(evaluation.rows),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _say_counts(rows: Sequence[Row]) -> str:
    answerable = [row for row in rows if row.answerable]
    first = sum(first_rank(row) == 1 for row in answerable)
    missed = sum(first_rank(row) is None for row in answerable)
    without = len(rows) - len(answerable)
    return (
        f"{len(answerable)} questions that the docs answer: a wanted page came first for {first},"
        f" and was not among the first {DEPTH} for {missed}."
        + (f" {without} questions that the docs don't answer." if without else "")
    )


def _measures(evaluation: Evaluation) -> str:
    lines = [
        f"<tr><td>{escape(name)}</td><td>{found.value:.3f}</td>"
        f"<td>{found.low:.3f} to {found.high:.3f}</td><td>{found.count}</td></tr>"
        for name, found in evaluation.measures.items()
    ]
    latency = evaluation.latency
    lines += [
        f"<tr><td>{name}</td><td>{value:.1f} ms</td><td></td><td>{len(evaluation.rows)}</td></tr>"
        for name, value in (("p50", latency.p50), ("p95", latency.p95))
    ]
    return _numbers(("measure", "value", "95 % interval", "questions"), lines)


def _comparison(comparison: Comparison) -> Iterable[str]:
    yield "<h2>Compared</h2>"
    yield (
        f"<p>With {escape(comparison.baseline)} of {escape(comparison.created_at)}, question by"
        " question. A change whose interval holds zero may be chance.</p>"
    )
    yield _numbers(
        ("measure", "before", "after", "change", "95 % interval", "questions"),
        [
            f"<tr><td>{escape(name)}</td><td>{found.before:.3f}</td><td>{found.after:.3f}</td>"
            f'<td class="{_style(name, found.low, found.high)}">{found.difference:+.3f}</td>'
            f"<td>{found.low:+.3f} to {found.high:+.3f}</td><td>{found.count}</td></tr>"
            for name, found in comparison.differences.items()
        ],
    )
    for better, word in ((True, "better"), (False, "worse")):
        changes = [change for change in comparison.changes if change.better == better]
        if changes:
            yield f"<h2>{len(changes)} got {word}</h2><ul>"
            yield from (
                f"<li>{escape(change.before)} → {escape(change.after)}:"
                f" {escape(_shorten(change.question))}"
                f' <span class="quiet">{escape(_shorten(change.id))}</span></li>'
                for change in changes
            )
            yield "</ul>"
    if comparison.not_compared:
        yield (
            '<p class="quiet">Not compared, since they are not the same in both:'
            f" {len(comparison.not_compared)}.</p>"
        )


def _style(name: str, low: float, high: float) -> str:
    if low <= 0 <= high:
        return "plain"
    return "good" if (low > 0) != (name in LESS_IS_BETTER) else "bad"


def _plots(evaluation: Evaluation, comparison: Comparison | None) -> Iterable[str]:
    rows = evaluation.rows
    answerable = [row for row in rows if row.answerable]
    lines = [
        Line(name, values, style)
        for name, kind, style in (("pages", "page", "first"), ("headings", "heading", "second"))
        if (values := recall_by_depth(rows, "page" if kind == "page" else "heading"))
    ]
    if lines:
        yield _figure(
            "Recall",
            "Share of questions with a wanted one among them",
            draw_lines(lines, "Recall by the number of places looked at", "places looked at"),
        )
        yield _figure(
            "Rank of the first wanted page",
            f"Mean of one divided by it: {evaluation.measures['MRR@10'].value:.3f}",
            _draw_ranks(answerable),
        )
    if strips := _strips(rows):
        yield _figure(
            "Confidence that the docs answer",
            "Each dot is a question",
            draw_strips(
                strips,
                "Confidence of answerable and unanswerable questions",
                "confidence",
                evaluation.threshold,
            ),
        )
    latency = evaluation.latency
    yield _figure(
        "Latency",
        f"Half below {latency.p50:.1f} ms, 95 of 100 below {latency.p95:.1f} ms",
        draw_histogram(
            [row.milliseconds for row in rows], "Questions by latency", "milliseconds of a search"
        ),
    )
    if comparison and comparison.differences:
        yield _figure(
            "Change",
            "With 95 % intervals; grey where they hold zero",
            draw_intervals(
                [
                    Interval(
                        name,
                        found.difference,
                        found.low,
                        found.high,
                        _style(name, found.low, found.high),
                    )
                    for name, found in comparison.differences.items()
                ],
                "Differences from the baseline",
                "after minus before",
            ),
        )


def _draw_ranks(rows: Sequence[Row]) -> str:
    counts = Counter(first_rank(row) for row in rows)
    bars = [
        (str(rank), counts[rank], "first", f"rank {rank} (1/{rank}): {counts[rank]} questions")
        for rank in range(1, DEPTH + 1)
    ]
    bars.append((f">{DEPTH}", counts[None], "bad", f"not among the first {DEPTH}: {counts[None]}"))
    return draw_bars(bars, "Questions by the rank of the first wanted page", "rank")


def _strips(rows: Sequence[Row]) -> list[tuple[str, str, list[tuple[float, str]]]]:
    strips = []
    for name, style, answerable in (
        ("answerable", "first", True),
        ("unanswerable", "second", False),
    ):
        values = [
            (row.confidence, f"{row.confidence:.2f} {_shorten(row.question, 100)}")
            for row in rows
            if row.confidence is not None and row.answerable == answerable
        ]
        if values:
            strips.append((f"{name} ({len(values)})", style, values))
    return strips


def _missing(rows: Iterable[Row]) -> Iterable[str]:
    lines = [
        f"<li>{escape(place.gold)}: {escape(place.reason)}"
        f' <span class="quiet">{escape(_shorten(row.id))}</span></li>'
        for row in rows
        for place in row.missing
    ]
    if lines:
        yield "<h2>Wanted, but not in the collection</h2>"
        yield "<p>No search can find these, and they count as not found.</p>"
        yield f"<ul>{''.join(lines)}</ul>"


def _questions(rows: Sequence[Row]) -> str:
    lines = [
        f"<tr><td>{_outcome(row)}</td>"
        f"<td>{escape(_shorten(row.question))}<br>{_origin(row)}</td>"
        f'<td data-name="wanted" class="places">{_wanted(row)}</td>'
        f'<td data-name="found" class="places">{_found(row)}</td></tr>'
        for row in sorted(rows, key=_badness)
    ]
    return (
        '<table class="questions"><thead><tr><th>rank</th><th>question</th><th>wanted</th>'
        f"<th>found</th></tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )


def _badness(row: Row) -> tuple[int, float]:
    """Not found first, then refused in error or answered in error, then by rank."""
    if row.answerable:
        rank = first_rank(row)
        return (0, 0) if rank is None else (1, 0) if row.covered is False else (2, -rank)
    return (1, 1) if row.covered else (3, 0)


def _outcome(row: Row) -> str:
    if not row.answerable:
        words = {True: ("answered", "bad"), False: ("refused", "good"), None: ("–", "plain")}
        word, style = words[row.covered]
        return f'<span class="{style}">{word}</span>'
    rank = first_rank(row)
    said = str(rank) if rank else '<span class="bad">not found</span>'
    return f'{said}<br><span class="bad">refused</span>' if row.covered is False else said


def _origin(row: Row) -> str:
    said = [] if row.id == row.question else [escape(_shorten(row.id))]
    if row.source:
        said.append(_link(row.source, "source"))
    if row.confidence is not None:
        said.append(f"confidence {row.confidence:.2f}")
    return f'<span class="quiet">{" · ".join(said)}</span>'


def _wanted(row: Row) -> str:
    if not row.answerable:
        return '<span class="quiet">nothing: the docs don\'t say</span>'
    return f"<ul>{''.join(f'<li>{escape(str(gold))}</li>' for gold in row.gold)}</ul>"


def _found(row: Row) -> str:
    if not row.found:
        return '<span class="quiet">nothing</span>'
    return f"<ol>{''.join(_place(place) for place in row.found[:_SHOWN])}</ol>"


def _place(place: Place) -> str:
    name = _shorten(" › ".join((place.title, *place.headings)))
    mark = f' <span class="wanted">✓ {place.wanted}</span>' if place.wanted else ""
    url = escape(_shorten(place.url))
    return f'<li>{_link(place.url, name)}{mark}<br><span class="quiet">{url}</span></li>'


def _link(url: str, text: str) -> str:
    if not url.startswith(("https://", "http://")):
        return escape(text)
    return f'<a href="{escape(url)}" rel="noreferrer">{escape(text)}</a>'


def _numbers(heads: Sequence[str], lines: Iterable[str]) -> str:
    return (
        '<div class="scroll"><table class="numbers"><thead><tr>'
        + "".join(f"<th>{head}</th>" for head in heads)
        + f"</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _figure(name: str, told: str, plot: str) -> str:
    return f"<figure><figcaption>{name}<span>{told}</span></figcaption>{plot}</figure>"


def _shorten(text: str, length: int = _LONG) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
