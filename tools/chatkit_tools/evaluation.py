"""Measures what a search found against what was wanted."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean
from typing import Literal, Protocol, TypeVar

from pydantic import BaseModel, Field

from chatkit_tools.questions import Gold, Places, Question, split_address

T = TypeVar("T")

DEPTH = 10
_RESAMPLES = 2_000
_SEED = 20_000


class Place(BaseModel):
    """A heading that was found, and whether it was wanted."""

    url: str
    title: str
    headings: tuple[str, ...] = ()
    wanted: Literal["page", "heading"] | None = None


class Missing(BaseModel):
    """A wanted page or heading that the search can't find, and why."""

    gold: str
    reason: str


class Row(BaseModel):
    """One question, and what the search found.

    Ranks are those of the wanted among the distinct pages or headings, best first; `wanted` says
    how many there are to find. A question without gold has none, and is better refused.
    """

    id: str
    question: str
    corpus: str | None = None
    source: str | None = None
    gold: tuple[Gold, ...] = ()
    missing: tuple[Missing, ...] = ()
    pages_wanted: int = 0
    page_ranks: tuple[int, ...] = ()
    headings_wanted: int = 0
    heading_ranks: tuple[int, ...] = ()
    covered: bool | None = None
    confidence: float | None = None
    milliseconds: float
    found: tuple[Place, ...] = ()

    @property
    def answerable(self) -> bool:
        """Whether the docs answer it."""
        return bool(self.gold)


class Measure(BaseModel):
    """A value with its 95 % interval, over `count` questions."""

    value: float
    low: float
    high: float
    count: int


class Latency(BaseModel):
    """Milliseconds of a search: what half, and what 95 of 100, stayed below."""

    p50: float
    p95: float


class Evaluation(BaseModel):
    """One run over a file of questions."""

    format: Literal[1] = 1
    questions: str
    collection: str
    embedding_model: str | None = None
    created_at: str
    pages: int
    threshold: float | None = None
    measures: dict[str, Measure] = Field(default_factory=dict)
    latency: Latency
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """A measure that is the mean of one value a question; None where it does not apply."""

    name: str
    of: Callable[[Row], float | None]


class Hit(Protocol):
    """What is looked at of a passage that a search found."""

    @property
    def url(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def headings(self) -> Sequence[str]: ...


def judge(
    question: Question,
    places: Places,
    hits: Iterable[Hit],
    *,
    milliseconds: float,
    covered: bool | None = None,
    confidence: float | None = None,
) -> Row:
    """Hold the hits of a search, best first, against what the question wants."""
    pages, headings, missing = _resolve(question, places)
    found: dict[tuple[str, str], Hit] = {}
    for hit in hits:
        found.setdefault(split_address(hit.url), hit)
    page_ranks = _ranks(list(dict.fromkeys(page for page, _ in found)), pages)
    heading_ranks = _ranks(list(found), headings)

    def wanted(place: tuple[str, str]) -> Literal["page", "heading"] | None:
        if any(place in heading for heading in headings):
            return "heading"
        return "page" if any(place[0] in page for page in pages) else None

    return Row(
        **question.model_dump(include={"id", "question", "corpus", "source"}),
        gold=question.gold,
        missing=missing,
        pages_wanted=len(pages),
        page_ranks=page_ranks,
        headings_wanted=len(headings),
        heading_ranks=heading_ranks,
        covered=covered,
        confidence=confidence,
        milliseconds=milliseconds,
        found=tuple(
            Place(url=hit.url, title=hit.title, headings=tuple(hit.headings), wanted=wanted(place))
            for place, hit in list(found.items())[:DEPTH]
        ),
    )


def _resolve(
    question: Question, places: Places
) -> tuple[list[frozenset[str]], list[frozenset[tuple[str, str]]], tuple[Missing, ...]]:
    """Return the pages and the headings that are wanted, each as all that would do for it."""
    pages: dict[frozenset[str], None] = {}
    headings: dict[frozenset[tuple[str, str]], None] = {}
    missing: list[Missing] = []
    for gold in question.gold:
        try:
            meant = places.find(gold)
        except LookupError as exc:
            missing.append(Missing(gold=str(gold), reason=str(exc)))
            # Wanted all the same, and never found: no page of the collection has this address.
            meant = frozenset({gold.path})
        else:
            if gold.anchor and not places.has_heading(meant, gold.anchor):
                missing.append(Missing(gold=str(gold), reason="no passage at this heading"))
        pages[meant] = None
        if gold.anchor:
            headings[frozenset((page, gold.anchor) for page in meant)] = None
    return list(pages), list(headings), tuple(missing)


def _ranks(found: Sequence[T], wanted: Iterable[frozenset[T]]) -> tuple[int, ...]:
    firsts = (
        next((rank for rank, place in enumerate(found, 1) if place in places), None)
        for places in wanted
    )
    return tuple(sorted(rank for rank in firsts if rank))


def recall(ranks: Iterable[int], depth: int) -> float:
    """1 where any wanted one is among the first `depth`, else 0.

    One of several places that answer is enough for a reader: the "success" of TREC's evaluations.
    """
    return float(any(rank <= depth for rank in ranks))


def reciprocal_rank(ranks: Iterable[int], depth: int = DEPTH) -> float:
    """One divided by the first wanted one's rank, 0 below `depth` (Voorhees, TREC-8, 1999)."""
    first = min(ranks, default=depth + 1)
    return 1 / first if first <= depth else 0.0


def ndcg(ranks: Iterable[int], wanted: int, depth: int = DEPTH) -> float:
    """Discounted gain over that of the ideal order (Järvelin and Kekäläinen, TOIS 20, 2002).

    A wanted one at rank r gains 1 / log2(1 + r); ideal is to have all of them first.
    """
    gained = sum(1 / math.log2(1 + rank) for rank in ranks if rank <= depth)
    ideal = sum(1 / math.log2(1 + rank) for rank in range(1, min(wanted, depth) + 1))
    return gained / ideal if ideal else 0.0


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """How often one of `positive` is above one of `negative`; ties count half.

    The area below the ROC curve, by ranks (Hanley and McNeil, Radiology 143, 1982).
    """
    order = sorted({*positive, *negative})
    # Twice the mean rank of each value among both, so that ties share theirs.
    counts = dict.fromkeys(order, 0)
    for value in (*positive, *negative):
        counts[value] += 1
    ranks: dict[float, float] = {}
    below = 0
    for value in order:
        ranks[value] = below + (counts[value] + 1) / 2
        below += counts[value]
    size = len(positive)
    above = sum(ranks[value] for value in positive) - size * (size + 1) / 2
    return above / (size * len(negative))


def percentile(values: Sequence[float], share: float) -> float:
    """Interpolate between the two nearest values (Hyndman and Fan's type 7, 1996)."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    lower = ordered[math.floor(place)]
    return lower + (ordered[math.ceil(place)] - lower) * (place - math.floor(place))


def bootstrap(sample: Callable[[Random], float]) -> tuple[float, float]:
    """Return the 95 % interval of what `sample` draws, by percentiles.

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13. The seed is fixed:
    the same questions always give the same interval.
    """
    random = Random(_SEED)  # noqa: S311 - not a secret
    drawn = [sample(random) for _ in range(_RESAMPLES)]
    return percentile(drawn, 0.025), percentile(drawn, 0.975)


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of a mean, questions drawn with replacement."""
    return bootstrap(lambda random: fmean(random.choices(values, k=len(values))))


def _by(place: Literal["page", "heading"]) -> list[Scale]:
    def over(
        value: Callable[[tuple[int, ...], int], float],
    ) -> Callable[[Row], float | None]:
        def of(row: Row) -> float | None:
            page = place == "page"
            wanted = row.pages_wanted if page else row.headings_wanted
            return value(row.page_ranks if page else row.heading_ranks, wanted) if wanted else None

        return of

    before = "" if place == "page" else "heading."
    return [
        Scale(f"{before}R@5", over(lambda ranks, _: recall(ranks, 5))),
        Scale(f"{before}R@10", over(lambda ranks, _: recall(ranks, 10))),
        Scale(f"{before}MRR@10", over(lambda ranks, _: reciprocal_rank(ranks))),
        Scale(f"{before}nDCG@10", over(ndcg)),
    ]


def _refused(answerable: bool) -> Callable[[Row], float | None]:
    def of(row: Row) -> float | None:
        if row.covered is None or row.answerable != answerable:
            return None
        return float(not row.covered)

    return of


SCALES = [
    *_by("page"),
    *_by("heading"),
    Scale("refused.unanswerable", _refused(False)),
    Scale("refused.answerable", _refused(True)),
]
# Of these the smaller is the better.
LESS_IS_BETTER = frozenset({"refused.answerable", "p50", "p95"})
MEASURES = (*(scale.name for scale in SCALES), "AUC", "p50", "p95")


def measure(rows: Sequence[Row]) -> dict[str, Measure]:
    """Return every measure that these questions allow."""
    measures: dict[str, Measure] = {}
    for scale in SCALES:
        values = [value for row in rows if (value := scale.of(row)) is not None]
        if values:
            low, high = mean_interval(values)
            measures[scale.name] = Measure(
                value=fmean(values), low=low, high=high, count=len(values)
            )
    answerable, unanswerable = confidences(rows)
    if answerable and unanswerable:
        low, high = bootstrap(
            lambda random: auc(
                random.choices(answerable, k=len(answerable)),
                random.choices(unanswerable, k=len(unanswerable)),
            )
        )
        count = len(answerable) + len(unanswerable)
        measures["AUC"] = Measure(
            value=auc(answerable, unanswerable), low=low, high=high, count=count
        )
    return measures


def measure_latency(rows: Sequence[Row]) -> Latency:
    """Return the latency over all questions."""
    times = [row.milliseconds for row in rows]
    return Latency(p50=percentile(times, 0.5), p95=percentile(times, 0.95))


def find_threshold(rows: Sequence[Row]) -> float | None:
    """Return the confidence between what was refused and what was answered, if one parts them."""
    judged = [(row.confidence, row.covered) for row in rows if row.confidence is not None]
    refused = max((confidence for confidence, covered in judged if not covered), default=None)
    answered = min((confidence for confidence, covered in judged if covered), default=None)
    if refused is None or answered is None or refused > answered:
        return None
    return (refused + answered) / 2


def recall_by_depth(rows: Sequence[Row], place: Literal["page", "heading"]) -> list[float]:
    """Return the recall at 1 to 10, empty where nothing of the kind is wanted."""
    page = place == "page"
    ranks = [
        row.page_ranks if page else row.heading_ranks
        for row in rows
        if (row.pages_wanted if page else row.headings_wanted)
    ]
    if not ranks:
        return []
    return [fmean(recall(found, depth) for found in ranks) for depth in range(1, DEPTH + 1)]


def confidences(rows: Iterable[Row]) -> tuple[list[float], list[float]]:
    judged = [row for row in rows if row.confidence is not None]
    answerable = [row.confidence or 0.0 for row in judged if row.answerable]
    return answerable, [row.confidence or 0.0 for row in judged if not row.answerable]


def first_rank(row: Row) -> int | None:
    """Return where the first wanted page stood, None below the tenth."""
    first = min(row.page_ranks, default=DEPTH + 1)
    return first if first <= DEPTH else None


def fails(
    evaluation: Evaluation, least: Mapping[str, float], most: Mapping[str, float]
) -> list[str]:
    """Say which measures are below the `least` or above the `most` that is asked of them."""
    values = {name: found.value for name, found in evaluation.measures.items()}
    values |= {"p50": evaluation.latency.p50, "p95": evaluation.latency.p95}
    said: list[str] = []
    for bounds, sign, word in ((least, 1, "below"), (most, -1, "above")):
        for name, bound in bounds.items():
            if (value := values.get(name)) is None:
                said.append(f"{name} can't be measured with these questions")
            # Bounds are written in decimals, which floats only come near to.
            elif (bound - value) * sign > 1e-9:
                said.append(f"{name} is {value:.4g}, {word} {bound:g}")
    return said
