"""The fenced blocks of the documentation, in the order of their page.

What stands behind a fence's language is not shown on the page, and says how the block is tried:

    title="main.py"      it is that file, which is written into the page's folder
    tried="path::test"   the test that runs it, which has to exist
    skip="why"           nothing can run it here; it is read all the same, as far as that goes
    fails="why"          it exits with an error, as the page says
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt

from tests.named import ROOT

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "web/docusaurus-plugin/README.md",
    *sorted((ROOT / "web/site/docs").glob("*.md")),
    *sorted((ROOT / "deploy").rglob("*.md")),
]
_META = re.compile(r'(\w+)="([^"]*)"')
KNOWN = frozenset({"title", "tried", "skip", "fails"})


@dataclass(frozen=True, slots=True)
class Block:
    page: Path
    line: int
    language: str
    text: str
    meta: dict[str, str] = field(default_factory=dict, hash=False)
    adjoins: bool = False
    """Whether nothing but a sentence at most stands between it and the block before."""

    @property
    def place(self) -> str:
        inside = self.page.is_relative_to(ROOT)
        return f"{self.page.relative_to(ROOT) if inside else self.page.name}:{self.line}"

    def __str__(self) -> str:
        return self.place


def read_blocks(page: Path) -> Iterator[Block]:
    """The blocks of one page."""
    parser = MarkdownIt("commonmark").enable("table")
    between = 2
    for token in parser.parse(page.read_text(encoding="utf-8")):
        if token.type == "paragraph_open" or token.type == "heading_open":
            between += 2 if token.type == "heading_open" else 1
        if token.type != "fence":
            continue
        assert token.map is not None
        language, _, rest = token.info.strip().partition(" ")
        meta = dict(_META.findall(rest))
        yield Block(page, token.map[0] + 1, language, token.content, meta, between <= 1)
        between = 0


def all_blocks() -> list[Block]:
    return [block for page in PAGES for block in read_blocks(page)]
