"""Ranked passages become hits: no text twice, no section in two pieces, no page too often."""

from collections.abc import Sequence
from typing import Any

from chatkit_tools.collection import Found
from chatkit_tools.merging import merge

LONG = "Set the connection string in the environment before the first start of the service."


def found(id_: str, text: str = "", page: str = "", **payload: Any) -> Found:
    known: dict[str, Any] = {
        "document": "d",
        "page": page or f"/{id_}",
        "url": f"{page or '/' + id_}#x",
    }
    known |= {"title": f"Title of {id_}", "headings": ["H"], "text": text or f"Text of {id_}."}
    return Found(id_, 1.0, {**known, "position": 0, **payload})


def part(number: int, **payload: Any) -> Found:
    texts = {"before": f"end of {number - 1}", "after": f"begin of {number + 1}"}
    place = {"page": "/long", "url": "/long#s", "position": 3 + number, "section": "part0"}
    return found(f"part{number}", **{"text": f"Part {number}.", **place, **texts, **payload})


def ranked(*points: Found) -> list[tuple[float, Found]]:
    return [(10.0 - place, point) for place, point in enumerate(points)]


def ids(*points: Found, limit: int = 8, versions: Sequence[str] = ()) -> list[str]:
    return [section.id for section in merge(ranked(*points), limit, versions)]


def test_the_best_come_first_and_no_more_than_wanted() -> None:
    sections = merge(ranked(found("a"), found("b"), found("c")), 2)

    assert [(section.id, section.score) for section in sections] == [("a", 10.0), ("b", 9.0)]
    assert merge([], 2) == []


def test_three_sections_of_a_page_are_enough() -> None:
    points = [found(f"a{n}", page="/a") for n in range(5)]

    assert ids(*points, found("b"), limit=5) == ["a0", "a1", "a2", "b"]


def test_parts_of_a_section_are_one_hit_in_reading_order() -> None:
    (section, other) = merge(ranked(part(2), found("b"), part(1)), 8)

    passage = section.passage()
    assert passage.text == "Part 1.\n\nPart 2."
    assert (passage.before, passage.after) == ("end of 0", "begin of 3")
    assert (section.score, other.id) == (10.0, "b")


def test_a_missing_part_leaves_a_mark() -> None:
    (section,) = merge(ranked(part(3), part(1)), 8)

    assert section.passage().text == "Part 1.\n\n[…]\n\nPart 3."


def test_a_section_has_one_id_whichever_of_its_parts_are_found() -> None:
    assert ids(part(2)) == ids(part(1), part(3)) == ids(part(0)) == ["part0"]


def test_three_parts_of_a_section_are_enough() -> None:
    (section, _) = merge(ranked(*(part(number) for number in range(6)), found("b")), 8)

    assert [point.id for point in section.parts] == ["part0", "part1", "part2"]


def test_parts_of_one_section_are_one_hit_of_the_page() -> None:
    others = [found(f"a{n}", page="/long") for n in range(2)]

    assert ids(part(0), part(1), *others) == ["part0", "a0", "a1"]


def test_parts_that_rank_behind_the_last_hit_are_not_joined() -> None:
    (section,) = merge(ranked(part(0), found("b"), part(1)), 1)

    assert len(section.parts) == 1


def test_the_same_text_in_two_places_is_one_hit_that_knows_both() -> None:
    sections = merge(ranked(found("a", LONG), found("b"), found("c", LONG)), 8)

    assert [section.id for section in sections] == ["a", "b"]
    assert [point.payload["url"] for point in sections[0].also] == ["/c#x"]
    assert sections[1].also == []


def test_a_few_words_may_stand_anywhere() -> None:
    assert ids(found("a", "See below."), found("b", "See below.")) == ["a", "b"]


def test_nearly_the_same_text_below_the_same_headings_is_one_hit() -> None:
    edited = LONG.replace("first start", "very first start")
    same = {"title": "Setup"}

    assert ids(found("a", LONG, **same), found("b", edited, **same)) == ["a"]
    assert ids(found("a", LONG, **same), found("b", edited)) == ["a", "b"]
    assert ids(found("a", LONG, **same), found("b", "Something else.", **same)) == ["a", "b"]


def test_parts_of_one_section_that_are_alike_stay() -> None:
    alike = [part(number, text=f"{LONG} {number}", title="T") for number in range(2)]

    (section,) = merge(ranked(*alike), 8)

    assert len(section.parts) == 2


def test_the_version_that_is_wanted_stays_in_the_place_of_the_best() -> None:
    old = found("old", LONG, version="1.0")
    new = found("new", LONG, version="2.0")

    (first, second) = merge(ranked(old, found("b"), new), 8, versions=("2.0", "1.0"))

    assert (first.id, first.score, second.id) == ("new", 10.0, "b")
    assert [point.id for point in first.also] == ["old"]
    assert ids(old, new) == ["old"]


def test_points_that_other_code_wrote_are_hits_of_their_own() -> None:
    bare = [
        Found(str(number), 1.0, {"page": "/p", "url": "/p", "title": "", "headings": [], "text": t})
        for number, t in enumerate(["One.", "Two."])
    ]

    assert ids(*bare) == ["0", "1"]
