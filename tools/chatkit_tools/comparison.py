"""Compares two runs over the same questions, pair by pair."""

import math
from collections.abc import Sequence
from random import Random
from statistics import fmean

from pydantic import BaseModel, ValidationError

from chatkit_tools.errors import QuestionsError
from chatkit_tools.evaluation import (
    SCALES,
    Evaluation,
    Latency,
    Row,
    auc,
    bootstrap,
    first_rank,
    mean_interval,
)


class Difference(BaseModel):
    """How a measure differs over the questions that both runs asked, with its 95 % interval."""

    before: float
    after: float
    difference: float
    low: float
    high: float
    count: int

    @property
    def certain(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


class Change(BaseModel):
    """A question that got better or worse, and how, as ranks or as words."""

    id: str
    question: str
    before: str
    after: str
    better: bool


class Comparison(BaseModel):
    """The same questions, then and now."""

    baseline: str
    created_at: str
    differences: dict[str, Difference]
    latency: Latency
    changes: tuple[Change, ...]
    not_compared: tuple[str, ...]


def read_evaluation(data: bytes) -> Evaluation:
    """Read what an earlier run has saved; raises `QuestionsError`."""
    try:
        return Evaluation.model_validate_json(data)
    except ValidationError as exc:
        error = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in error["loc"])
        raise QuestionsError(
            f"not what `eval --save` writes ({where}{': ' * bool(where)}{error['msg']})"
        ) from None


def compare(baseline: Evaluation, name: str, now: Evaluation) -> Comparison:
    """Compare two runs over the questions that are word for word the same in both."""
    earlier = {row.id: row for row in baseline.rows}
    pairs = [
        (before, row)
        for row in now.rows
        if (before := earlier.get(row.id))
        and (before.question, before.gold) == (row.question, row.gold)
    ]
    compared = {row.id for _, row in pairs}
    asked = dict.fromkeys([*(row.id for row in now.rows), *earlier])
    return Comparison(
        baseline=name,
        created_at=baseline.created_at,
        differences=_differences(pairs),
        latency=baseline.latency,
        changes=tuple(change for pair in pairs if (change := _change(*pair))),
        not_compared=tuple(id_ for id_ in asked if id_ not in compared),
    )


def _differences(pairs: Sequence[tuple[Row, Row]]) -> dict[str, Difference]:
    differences: dict[str, Difference] = {}
    for scale in SCALES:
        values = [
            (then, now)
            for before, after in pairs
            if (then := scale.of(before)) is not None and (now := scale.of(after)) is not None
        ]
        if values:
            low, high = mean_interval([now - then for then, now in values])
            differences[scale.name] = _difference(
                fmean(then for then, _ in values), fmean(now for _, now in values), low, high,
                len(values),
            )  # fmt: skip
    judged = [
        (before.confidence, after.confidence, after.answerable)
        for before, after in pairs
        if before.confidence is not None and after.confidence is not None
    ]
    answerable = [(then, now) for then, now, answered in judged if answered]
    unanswerable = [(then, now) for then, now, answered in judged if not answered]
    if answerable and unanswerable:

        def areas(
            positive: Sequence[tuple[float, float]], negative: Sequence[tuple[float, float]]
        ) -> tuple[float, float]:
            then = auc([pair[0] for pair in positive], [pair[0] for pair in negative])
            return then, auc([pair[1] for pair in positive], [pair[1] for pair in negative])

        def draw(random: Random) -> float:
            then, now = areas(
                random.choices(answerable, k=len(answerable)),
                random.choices(unanswerable, k=len(unanswerable)),
            )
            return now - then

        low, high = bootstrap(draw)
        differences["AUC"] = _difference(*areas(answerable, unanswerable), low, high, len(judged))
    return differences


def _difference(before: float, after: float, low: float, high: float, count: int) -> Difference:
    return Difference(
        before=before, after=after, difference=after - before, low=low, high=high, count=count
    )


def _change(before: Row, after: Row) -> Change | None:
    if after.answerable:
        then, now = first_rank(before), first_rank(after)
        if then == now:
            return None
        said = _say_rank(then), _say_rank(now)
        better = (now or math.inf) < (then or math.inf)
    else:
        if before.covered is None or after.covered is None or before.covered == after.covered:
            return None
        said = _say_verdict(before), _say_verdict(after)
        better = not after.covered
    return Change(
        id=after.id, question=after.question, before=said[0], after=said[1], better=better
    )


def _say_rank(rank: int | None) -> str:
    return f"rank {rank}" if rank else "not found"


def _say_verdict(row: Row) -> str:
    return "answered" if row.covered else "refused"
