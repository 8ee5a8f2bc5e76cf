"""Two rankings become one, page by page."""

import pytest

from chatkit_tools.collection import Found
from chatkit_tools.ranking import fuse


def ranking(**scores: float) -> list[Found]:
    """Points by name, best first; the letter is the page."""
    return [Found(id_, score, {"page": id_[0]}) for id_, score in scores.items()]


def order(fused: list[tuple[float, Found]]) -> list[str]:
    return [point.id for _, point in fused]


def test_a_page_that_is_found_both_ways_comes_first() -> None:
    # By another passage each: pages are fused, and not passages.
    fused = fuse(ranking(b1=9.0, a1=8.0), ranking(c1=0.7, a2=0.6, d1=0.2))

    assert order(fused) == ["a1", "a2", "b1", "c1", "d1"]


def test_a_page_that_is_far_ahead_stays_there() -> None:
    close = fuse(ranking(a1=9.0, b1=8.9), ranking(b1=0.7, a1=0.6, c1=0.2))
    far = fuse(ranking(a1=9.0, b1=3.0), ranking(b1=0.7, a1=0.6, c1=0.2))

    assert (order(close)[0], order(far)[0]) == ("b1", "a1")


def test_cosines_count_by_their_place_among_the_others() -> None:
    lexical = ranking(a1=9.0, b1=7.0, c1=2.0)
    wide = fuse(lexical, ranking(c1=0.9, b1=0.5, a1=-0.1))
    narrow = fuse(lexical, ranking(c1=0.84, b1=0.80, a1=0.74))

    assert order(wide) == order(narrow)
    assert [score for score, _ in wide] == pytest.approx([score for score, _ in narrow])


def test_a_page_ranks_by_its_best_passage() -> None:
    fused = fuse(ranking(a1=9.0, a2=8.9, a3=8.8, b1=8.5), [])

    assert order(fused)[0] == "a1"
    assert next(score for score, point in fused if point.id == "b1") == pytest.approx(0.6 * 8.5 / 9)


def test_one_way_alone_keeps_its_order() -> None:
    assert order(fuse([], ranking(a1=0.5, b1=0.5))) == ["a1", "b1"]
    assert order(fuse(ranking(a1=2.0, b1=1.0), [])) == ["a1", "b1"]
    assert fuse([], []) == []
