"""Links of the repository's own pages lead somewhere; those of the site its build checks."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.named import ROOT

PAGES = sorted(ROOT.glob("*.md"))
_MARKDOWN = MarkdownIt("commonmark").enable("table")


def tokens(page: Path) -> list[Token]:
    return _MARKDOWN.parse(page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The ids that GitHub and Docusaurus give to the headings of a page."""
    found = tokens(page)
    titles = [
        "".join(part.content for part in after.children or [])
        for token, after in pairwise(found)
        if token.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(page: Path) -> list[str]:
    return [
        str(part.attrs["href"])
        for token in tokens(page)
        for part in token.children or []
        if part.type == "link_open"
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_there_are(page: Path) -> None:
    dead = []
    for link in links(page):
        path, _, fragment = link.partition("#")
        if "://" in link:
            continue
        target = page.parent / path if path else page
        if not target.exists() or (fragment and fragment not in anchors(target)):
            dead.append(link)
    assert not dead


def test_the_readme_has_links_with_and_without_a_heading() -> None:
    found = links(ROOT / "README.md")

    assert any("#" in link for link in found)
    assert sum("#" not in link for link in found) > 20
