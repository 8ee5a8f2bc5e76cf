"""The page that a report is."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from chatkit_tools.comparison import compare
from chatkit_tools.evaluation import (
    Evaluation,
    Missing,
    Place,
    Row,
    find_threshold,
    measure,
    measure_latency,
)
from chatkit_tools.questions import Gold
from chatkit_tools.report import render_report

EVIL = "</td></svg><script>alert(1)</script><img src=x onerror='alert(2)'>\"&"


def row(number: int, *, answerable: bool = True, evil: str = "") -> Row:
    return Row(
        id=f"{number}{evil}",
        question=f"question {number} {evil}",
        source=f"javascript:alert(3)//{evil}" if evil else f"https://forum.example/{number}",
        gold=(Gold(path=f"a.md{evil}", anchor=f"x{evil}"),) if answerable else (),
        missing=(Missing(gold=f"a.md{evil}", reason="no such page in the collection"),),
        pages_wanted=int(answerable),
        page_ranks=(number % 13 + 1,) if answerable else (),
        headings_wanted=int(answerable),
        heading_ranks=(number % 9 + 2,) if answerable else (),
        covered=number % 4 != 0,
        confidence=0.2 if number % 4 == 0 else 0.3 + number % 60 / 100,
        milliseconds=1 + number % 17 / 3,
        found=(
            Place(url=f"/a#x{evil}", title=f"Title{evil}", headings=(f"H{evil}",), wanted="page"),
        ),
    )


def evaluation(*rows: Row, evil: str = "") -> Evaluation:
    return Evaluation(
        questions=f"own.jsonl{evil}",
        collection="docs",
        created_at="2026-11-21T10:00:00+00:00",
        pages=3,
        threshold=find_threshold(rows),
        measures=measure(rows),
        latency=measure_latency(rows),
        rows=rows,
    )


class _Page(HTMLParser):
    """The elements of a page, their attributes and the text between."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def svgs(html: str) -> list[ElementTree.Element]:
    return [
        ElementTree.fromstring(drawn) for drawn in re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    ]


def test_a_report_shows_every_question_worst_first() -> None:
    html = render_report(evaluation(*(row(number) for number in range(24))))

    page = _Page(html)
    assert page.open == []
    assert page.text.count("question ") >= 24
    ranks = re.findall(r"<tr><td>(\d+|<span class=\"bad\">not found</span>)", html)
    numbers = [int(rank) if rank.isdigit() else 11 for rank in ranks]
    assert len(numbers) == 24
    assert numbers[0] == 11
    # Below those that were not found come the refused, and then the rest, by rank.
    rest = numbers[numbers.count(11) :]
    refused = sum(number % 4 == 0 and number % 13 < 10 for number in range(24))
    assert rest[refused:] == sorted(rest[refused:], reverse=True)


def test_nothing_that_is_untrusted_becomes_markup() -> None:
    evil = evaluation(row(1, evil=EVIL), row(4, answerable=False, evil=EVIL), evil=EVIL)

    html = render_report(evil, compare(evil, EVIL, evil))

    page = _Page(html)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "iframe", "link", "object"}
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)
    assert not any(attrs.get("href") for _, attrs in page.elements)
    assert EVIL in page.text
    assert len(svgs(html)) == 5


def test_a_report_needs_nothing_from_elsewhere() -> None:
    html = render_report(evaluation(row(1)))

    page = _Page(html)
    links = [attrs.get("href") for tag, attrs in page.elements if tag == "a"]
    assert links == ["https://forum.example/1"]
    assert not any("src" in attrs for _, attrs in page.elements)
    assert "@import" not in html
    assert "url(" not in html
    assert "default-src 'none'" in html


def test_plots_draw_what_was_measured() -> None:
    found = evaluation(
        *(row(number) for number in range(60)),
        *(row(number, answerable=False) for number in range(60, 80)),
    )

    recall, ranks, confidence, latency = svgs(render_report(found))

    def told(svg: ElementTree.Element) -> list[str]:
        return [title.text or "" for title in svg.iter("title")]

    share = found.measures["R@5"].value
    assert f"pages, first 5: {share:.1%}" in told(recall)
    assert f"headings, first 10: {found.measures['heading.R@10'].value:.1%}" in told(recall)
    first = sum(row.page_ranks == (1,) for row in found.rows)
    assert f"rank 1 (1/1): {first} questions" in told(ranks)
    assert len(told(confidence)) == 80
    assert found.threshold is not None
    assert any(f"{found.threshold:.2f}" in (text.text or "") for text in confidence.iter("text"))
    assert sum(int(text.rpartition(": ")[2]) for text in told(latency)) == 80


@pytest.mark.parametrize(
    "rows",
    [
        [row(1)],
        [row(4, answerable=False)],
        [row(1).model_copy(update={"headings_wanted": 0, "heading_ranks": ()})],
        [row(1).model_copy(update={"confidence": None, "covered": None, "found": ()})],
        [row(1).model_copy(update={"milliseconds": 0.0})],
        [row(1), row(2).model_copy(update={"milliseconds": 90_000.0, "confidence": 7.0})],
    ],
)
def test_a_report_is_made_of_whatever_there_is(rows: list[Row]) -> None:
    found = evaluation(*rows)

    html = render_report(found, compare(found, "before", found))

    assert _Page(html).open == []
    for svg in svgs(html):
        _, _, width, height = map(float, svg.attrib["viewBox"].split())
        for shape in svg.iter("circle"):
            assert 0 <= float(shape.attrib["cx"]) <= width
            assert 0 <= float(shape.attrib["cy"]) <= height
