"""Two rankings become one, page by page."""

import pytest

from chatkit_tools.collection import Found
from chatkit_tools.ranking import fuse, measure_coverage


def found(id_: str) -> Found:
    return Found(id_, 1.0, {"page": id_[0]})


def test_pages_are_fused_and_not_passages() -> None:
    # Page a is found by both, by another passage each; b and c are found by one.
    fused = fuse([[found("b1"), found("a1")], [found("c1"), found("a2")]])

    assert [point.id for _, point in fused] == ["a1", "a2", "b1", "c1"]
    assert fused[0][0] == pytest.approx(2 / 62)
    assert fused[2][0] == pytest.approx(1 / 61)


def test_a_page_ranks_by_its_best_passage() -> None:
    fused = fuse([[found("a1"), found("a2"), found("a3"), found("b1")]])

    assert fused[0][0] == pytest.approx(1 / 61)
    assert next(score for score, point in fused if point.id == "b1") == pytest.approx(1 / 62)


def test_coverage_is_the_weight_of_the_words_that_are_there() -> None:
    assert measure_coverage({1: 3.0, 2: 1.0}, [2, 5]) == 0.25
    assert measure_coverage({1: 3.0, 2: 1.0}, [1, 2]) == 1.0
    assert measure_coverage({}, [1]) == 0.0
