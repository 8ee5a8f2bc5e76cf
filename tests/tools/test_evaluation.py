"""Measures against values worked out by hand."""

from dataclasses import dataclass

import pytest

from chatkit_tools.comparison import compare, read_evaluation
from chatkit_tools.errors import QuestionsError
from chatkit_tools.evaluation import (
    Evaluation,
    Row,
    auc,
    fails,
    find_threshold,
    judge,
    mean_interval,
    measure,
    measure_latency,
    ndcg,
    percentile,
    recall,
    recall_by_depth,
    reciprocal_rank,
)
from chatkit_tools.questions import Gold, Places, Question


@dataclass
class Found:
    url: str
    title: str = "Title"
    headings: tuple[str, ...] = ()


PLACES = Places(
    [("a.md", "/a"), ("a.md", "/a#x"), ("a.md", "/a#y"), ("b.md", "/b"), ("c.md", "/c")]
)


def row(
    id_: str,
    *ranks: int,
    wanted: int = 1,
    confidence: float | None = None,
    covered: bool | None = None,
) -> Row:
    return Row(
        id=id_,
        question=f"{id_}?",
        gold=(Gold(path="a.md"),) * wanted,
        pages_wanted=wanted,
        page_ranks=ranks,
        milliseconds=1.0,
        confidence=confidence,
        covered=covered,
    )


def evaluation(*rows: Row) -> Evaluation:
    return Evaluation(
        questions="q.jsonl",
        collection="docs",
        created_at="2026-11-21T10:00:00+00:00",
        pages=3,
        measures=measure(rows),
        latency=measure_latency(rows),
        rows=rows,
    )


def test_measures_of_one_question() -> None:
    assert (recall([6, 9], 5), recall([6, 9], 10), recall([], 10)) == (0, 1, 0)
    assert reciprocal_rank([4, 7]) == 0.25
    assert reciprocal_rank([11]) == 0
    # First and third of two: (1 + 1/2) / (1 + 1/log2(3)), and log2(3) is 1.58496.
    assert ndcg([1, 3], 2) == pytest.approx(1.5 / (1 + 1 / 1.58496), abs=1e-5)
    assert ndcg([1, 2], 2) == 1
    # Second of one: 1 / log2(3).
    assert ndcg([2], 1) == pytest.approx(0.63093, abs=1e-5)
    assert ndcg([11], 1) == 0
    # Of twenty that are wanted, ten in the first ten is all that can be had.
    assert ndcg(range(1, 11), 20) == 1


def test_auc_counts_pairs_and_half_of_ties() -> None:
    # .9 > .5, .9 > .1, .5 = .5, .5 > .1: three and a half of four.
    assert auc([0.9, 0.5], [0.5, 0.1]) == 3.5 / 4
    assert auc([1, 2], [3, 4]) == 0
    assert auc([1, 1, 1], [1, 1]) == 0.5


def test_percentiles_lie_between_the_two_nearest() -> None:
    assert percentile([4, 1, 3, 2], 0.5) == 2.5
    assert percentile([4, 1, 3, 2], 0.95) == pytest.approx(3.85)
    assert percentile([7], 0.95) == 7


def test_an_interval_is_that_of_the_binomial_and_always_the_same() -> None:
    values = [1.0] * 80 + [0.0] * 20

    low, high = mean_interval(values)

    # The standard error of .8 over 100 is .04, and 1.96 of them are .078.
    assert low == pytest.approx(0.722, abs=0.015)
    assert high == pytest.approx(0.878, abs=0.015)
    assert mean_interval(values) == (low, high)
    assert mean_interval([0.5] * 3) == (0.5, 0.5)


def test_pages_count_once_and_headings_by_page_and_anchor() -> None:
    question = Question(question="?", id="1", gold=(Gold(path="a.md", anchor="y"), Gold(path="c")))

    judged = judge(
        question,
        PLACES,
        [Found("/b"), Found("/b#x"), Found("/a#x"), Found("/a#x"), Found("/a#y"), Found("/c")],
        milliseconds=2.0,
    )

    assert (judged.page_ranks, judged.pages_wanted) == ((2, 3), 2)
    assert (judged.heading_ranks, judged.headings_wanted) == ((4,), 1)
    assert [place.wanted for place in judged.found] == [None, None, "page", "heading", "page"]
    assert judged.missing == ()


def test_a_page_that_is_wanted_twice_is_one_page() -> None:
    gold = (Gold(path="a.md", anchor="x"), Gold(path="/a", anchor="y"))

    judged = judge(Question(question="?", id="1", gold=gold), PLACES, [], milliseconds=1)

    assert (judged.pages_wanted, judged.headings_wanted) == (1, 2)


def test_what_is_not_in_the_collection_is_named_and_counts_as_not_found() -> None:
    gold = (Gold(path="gone.md", anchor="x"), Gold(path="a.md", anchor="gone"))

    judged = judge(Question(question="?", id="1", gold=gold), PLACES, [Found("/a")], milliseconds=1)

    assert [(missing.gold, missing.reason) for missing in judged.missing] == [
        ("gone.md#x", "no such page in the collection"),
        ("a.md#gone", "no passage at this heading"),
    ]
    assert (judged.pages_wanted, judged.page_ranks) == (2, (1,))
    assert (judged.headings_wanted, judged.heading_ranks) == (2, ())


def test_measures_are_means_over_the_questions_that_they_concern() -> None:
    rows = [
        row("a", 1, confidence=0.9, covered=True),
        row("b", 8, confidence=0.4, covered=False),
        row("un", wanted=0, confidence=0.5, covered=True),
        row("un2", wanted=0, confidence=0.1, covered=False),
    ]

    measures = measure(rows)

    values = {name: (found.value, found.count) for name, found in measures.items()}
    assert values["R@5"] == (0.5, 2)
    assert values["R@10"] == (1.0, 2)
    assert values["MRR@10"] == ((1 + 1 / 8) / 2, 2)
    assert values["refused.unanswerable"] == (0.5, 2)
    assert values["refused.answerable"] == (0.5, 2)
    assert values["AUC"] == (0.75, 4)
    assert "heading.R@5" not in values
    assert all(found.low <= found.value <= found.high for found in measures.values())
    assert recall_by_depth(rows, "page") == [0.5] * 7 + [1.0] * 3
    assert recall_by_depth(rows, "heading") == []


def test_a_threshold_is_where_refusals_end() -> None:
    refused = row("a", confidence=0.2, covered=False)
    answered = row("b", confidence=0.6, covered=True)

    assert find_threshold([refused, answered]) == pytest.approx(0.4)
    assert find_threshold([answered]) is None
    # Something else decided too: no confidence parts the two.
    assert find_threshold([refused, answered, row("c", confidence=0.7, covered=False)]) is None


def test_runs_are_compared_question_by_question() -> None:
    before = evaluation(
        row("same", 2),
        row("better", 8),
        row("lost", 1),
        row("un", wanted=0, confidence=0.5, covered=True),
        row("only-then", 1),
        row("other-gold", 1),
    )
    after = evaluation(
        row("same", 2),
        row("better", 1),
        row("lost", 12),
        row("un", wanted=0, confidence=0.5, covered=False),
        row("only-now", 1),
        row("other-gold", 1, wanted=2),
    )

    compared = compare(before, "before.json", after)

    found = compared.differences["R@5"]
    assert found.before == found.after == pytest.approx(2 / 3)
    assert found.count == 3
    assert (found.difference, found.low < 0 < found.high, found.certain) == (0, True, False)
    mrr = compared.differences["MRR@10"]
    assert mrr.difference == pytest.approx((1 - 1 / 8 - 1) / 3)
    assert compared.differences["refused.unanswerable"].difference == 1
    changes = [(one.id, one.before, one.after, one.better) for one in compared.changes]
    assert changes == [
        ("better", "rank 8", "rank 1", True),
        ("lost", "rank 1", "not found", False),
        ("un", "answered", "refused", True),
    ]
    assert set(compared.not_compared) == {"only-then", "only-now", "other-gold"}


def test_pairs_are_drawn_together() -> None:
    # Every question gained a tenth, however different they are: there is no doubt about it.
    before = evaluation(*(row(str(rank), rank) for rank in range(2, 11)))
    after = evaluation(*(row(str(rank), 1) for rank in range(2, 11)))

    found = compare(before, "b", after).differences["R@10"]
    gained = compare(before, "b", after).differences["MRR@10"]

    assert (found.low, found.high) == (0, 0)
    assert gained.certain
    assert gained.low < gained.difference < gained.high


def test_what_is_saved_can_be_read_again_and_nothing_else_can() -> None:
    saved = evaluation(row("a", 1, confidence=0.5, covered=True))

    assert read_evaluation(saved.model_dump_json().encode()) == saved
    for wrong in (b"", b"{}", b"\xff", b'{"format": 2}', b"[]"):
        with pytest.raises(QuestionsError, match="not what `eval --save` writes"):
            read_evaluation(wrong)


def test_bounds_are_kept_or_named() -> None:
    found = evaluation(row("a", 1), row("b", 7), row("c", 1), row("d", 1), row("e", 1))

    assert fails(found, {"R@5": 0.8, "R@10": 1}, {"p50": 1}) == []
    assert fails(found, {"R@5": 0.81}, {"p95": 0.5}) == [
        "R@5 is 0.8, below 0.81",
        "p95 is 1, above 0.5",
    ]
    assert fails(found, {"AUC": 0.5}, {}) == ["AUC can't be measured with these questions"]
