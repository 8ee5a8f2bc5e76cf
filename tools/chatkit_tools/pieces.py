"""Splits a page's Markdown into the pieces that are searched and quoted."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from chatkit_tools.anchors import Anchors, split_custom_id
from chatkit_tools.markup import reduce_markup
from chatkit_tools.sections import cut_long
from chatkit_tools.unspaced import count_words

MAX_WORDS = 180

_LIST_OPENS = frozenset({"bullet_list_open", "ordered_list_open"})
# The parser's time for brackets that open nothing grows with the square of their number.
_MAX_HEADING = 5_000
_SPACES = re.compile(r"\s+")
# A line that ends with a colon, and the bold line that a tab or an admonition leaves.
_LEAD = re.compile(r":\Z|\A\*\*[^*]+\*\*\Z")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a page below one heading; without an anchor it is the page's beginning."""

    anchor: str | None
    headings: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """What a page's Markdown says: its own title, the ids of its headings, its pieces."""

    title: str
    anchors: tuple[str, ...]
    pieces: tuple[Piece, ...]


@dataclass(slots=True)
class _Section:
    anchor: str | None
    headings: tuple[str, ...]
    blocks: list[Token]


def _make_parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable("table")
    # MDX knows no indented code; tags are gone before parsing. Inline text is parsed on demand.
    parser.disable(["code", "html_block"])
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser


_PARSER = _make_parser()
_INLINE = MarkdownIt("commonmark").disable(["html_inline"])


def split_pieces(text: str, max_words: int = MAX_WORDS) -> Page:
    """Split at headings, and long sections between paragraphs.

    A code block stays whole and with the paragraph before it, so a piece may be longer than
    `max_words`, unless it is longer than a model should read with each question.
    """
    return _split(reduce_markup(text), max_words, Anchors())


def split_markdown(source: str, max_words: int = MAX_WORDS) -> Page:
    """Split Markdown that holds no tags and whose headings are those with `{#id}`.

    A heading with `{#}` has no address, so that its pieces have that of the heading above it.
    """
    return _split(source, max_words, None)


def _split(source: str, max_words: int, ids: Anchors | None) -> Page:
    tokens = _PARSER.parse(source)
    lines = source.split("\n")
    title, anchors, sections = _split_sections(tokens, ids)
    pieces = [
        Piece(section.anchor, section.headings, piece)
        for section in sections
        for filled in _fill(_units(section.blocks, tokens, lines, max_words), max_words)
        for piece in cut_long(filled)
    ]
    return Page(title, tuple(anchors), tuple(pieces))


def plain_text(markdown: str) -> str:
    """Return a line of Markdown without its inline markup."""
    (inline,) = _INLINE.parseInline(markdown)
    text = "".join(_inline_texts(inline.children or []))
    return _SPACES.sub(" ", text).strip()


def _inline_texts(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type == "image":
            yield token.content
        elif token.type in ("softbreak", "hardbreak"):
            yield " "
        else:
            yield token.content


def _split_sections(
    tokens: list[Token], ids: Anchors | None
) -> tuple[str, list[str], list[_Section]]:
    """Group the top-level blocks below their headings.

    The first heading, when it is an `h1` at the top level, is the page's title. Without `ids`, a
    heading that has no mark is text that looks like one.
    """
    title = ""
    anchors: list[str] = []
    path: list[tuple[int, str, str | None]] = []
    sections = [_Section(None, (), [])]
    first = True
    for position, token in enumerate(tokens):
        is_block = token.level == 0 and token.nesting >= 0 and token.map and token.type != "hr"
        if token.type != "heading_open":
            if is_block:
                sections[-1].blocks.append(token)
            continue
        content, custom = split_custom_id(tokens[position + 1].content)
        if ids is None and custom is None:
            if is_block:
                sections[-1].blocks.append(token)
            continue
        heading = plain_text(content[:_MAX_HEADING])
        anchor = custom or (ids.add(heading) if ids else "")
        if anchor:
            anchors.append(anchor)
        is_title, first = first and token.tag == "h1", False
        if token.level > 0 or (ids and not anchor):
            continue
        if is_title:
            title = heading
            continue
        level = int(token.tag[1])
        path = [entry for entry in path if entry[0] < level]
        around = path[-1][2] if path else None
        path.append((level, heading, anchor or around))
        names = tuple(name for _, name, _ in path if name)
        sections.append(_Section(anchor or around, names, []))
    return title, anchors, sections


def _units(
    blocks: list[Token], tokens: list[Token], lines: list[str], max_words: int
) -> Iterator[str]:
    """Yield the smallest texts that may stand alone: code and tables with what leads to them."""
    leads: list[str] = []
    before: str | None = None
    for block in blocks:
        for part in _parts(block, tokens, lines, max_words):
            text = "\n\n".join([*leads, part])
            leads = []
            if block.type == "fence":
                yield text if before is None else f"{before}\n\n{text}"
                before = None
                continue
            if before is not None:
                yield before
                before = None
            if block.type == "paragraph_open" and _LEAD.search(part):
                leads = [text]
            else:
                before = text
    if before is not None:
        leads.insert(0, before)
    if leads:
        yield "\n\n".join(leads)


def _parts(block: Token, tokens: list[Token], lines: list[str], max_words: int) -> Iterator[str]:
    assert block.map  # noqa: S101 - only tokens with a map are blocks
    text = _slice(lines, *block.map)
    if count_words(text) <= max_words:
        if text:
            yield text
    elif block.type in _LIST_OPENS:
        # Items are filled up here already: joined later they would be apart by blank lines.
        yield from _fill(_items(block, tokens, lines), max_words, "\n")
    elif block.type == "table_open":
        head = _slice(lines, block.map[0], block.map[0] + 2)
        rows = [line.strip() for line in lines[block.map[0] + 2 : block.map[1]] if line.strip()]
        for part in _fill(rows, max_words, "\n"):
            yield f"{head}\n{part}"
    else:
        yield text


def _items(block: Token, tokens: list[Token], lines: list[str]) -> Iterator[str]:
    assert block.map  # noqa: S101 - as above
    start, end = block.map
    starts = [
        token.map[0]
        for token in tokens
        if token.type == "list_item_open"
        and token.level == 1
        and token.map
        and start <= token.map[0] < end
    ]
    for first, last in pairwise([*starts, end]):
        yield _slice(lines, first, last)


def _fill(units: Sequence[str] | Iterator[str], max_words: int, between: str = "\n\n") -> list[str]:
    pieces: list[str] = []
    held: list[str] = []
    words = 0
    for unit in units:
        size = count_words(unit)
        if held and words + size > max_words:
            pieces.append(between.join(held))
            held, words = [], 0
        held.append(unit)
        words += size
    if held:
        pieces.append(between.join(held))
    return pieces


def _slice(lines: list[str], start: int, end: int) -> str:
    taken = [line.rstrip() for line in lines[start:end]]
    while taken and not taken[0]:
        taken.pop(0)
    return "\n".join(taken).rstrip()
