"""Cuts sections, puts their parts together again, and shows a part what stands around it."""

import re
from collections.abc import Iterator

# What a part knows of the ones before and after it: enough for "this" and "as follows" to make
# sense, and short beside the part itself.
_CONTEXT_WORDS = 60
_CUT = "…"
# Longer words are data: so many characters of it count as one.
_WORD_CHARS = 12
# Of a passage. A model reads some with each question, and a page may hold a megabyte of JSON.
_MAX_CHARS = 12_000

_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})")
_TABLE_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*")


def cut_long(text: str) -> Iterator[str]:
    """Cut what is too much to read between its lines, or in a line that is too long by itself.

    A code block that is cut is one in each part.
    """
    if len(text) <= _MAX_CHARS:
        yield text
        return
    held: list[str] = []
    room = _MAX_CHARS
    fence = opening = ""
    for line, begins in _short_lines(text):
        if held and len(line) >= room:
            yield "\n".join([*held, *_closing(opening)])
            held, room = [opening] if opening else [], _MAX_CHARS
        held.append(line)
        room -= len(line) + 1
        former, fence = fence, _fence_after(line, fence) if begins else fence
        if fence != former:
            opening = line if fence else ""
    yield "\n".join(held)


def _short_lines(text: str) -> Iterator[tuple[str, bool]]:
    """Lines, or pieces of them, and whether a line begins there: no other piece is a fence."""
    step = _MAX_CHARS // 2
    for line in text.split("\n"):
        for start in range(0, max(len(line), 1), step):
            yield line[start : start + step], start == 0


def _closing(opening: str) -> list[str]:
    found = _FENCE.match(opening)
    return [found[0]] if found else []


def join_parts(text: str, following: str) -> str:
    """Put two neighbouring parts together as they were before the split."""
    rest = new_in(following, text)
    # A table goes on in the next line; everything else was apart by an empty one.
    return text + ("\n" if rest != following and _ends_in_table(text) else "\n\n") + rest


def new_in(following: str, text: str) -> str:
    """Return `following` without what stands in `text` already: an overlap, a table's head."""
    before, after = text.split("\n"), following.split("\n")
    for size in range(min(len(before), len(after)), 0, -1):
        if before[-size:] == after[:size] and any(after[:size]):
            return "\n".join(after[size:]).lstrip("\n")
    if len(after) > 2 and _TABLE_RULE.fullmatch(after[1]) and _ends_in_table(text):
        heads = {tuple(before[at : at + 2]) for at in range(len(before) - 1)}
        if tuple(after[:2]) in heads:
            return "\n".join(after[2:])
    return following


def beginning(text: str) -> str:
    """Return the first words of a Markdown text; code and tables are cut between lines."""
    kept: list[str] = []
    room, fence = _CONTEXT_WORDS, ""
    for line in text.split("\n"):
        words = line.split()
        size = max(len(words), len(line) // _WORD_CHARS)
        if size > room:
            if len(words) > room > 0 and not fence and "|" not in line:
                kept.append(" ".join(words[:room]))
            break
        kept.append(line)
        room -= size
        fence = _fence_after(line, fence)
    else:
        return text
    if fence:
        kept.append(fence)
    return "\n".join(kept).rstrip() + f"\n\n{_CUT}"


def ending(text: str) -> str:
    """Return the last words of a Markdown text, cut in the same way."""
    lines = text.split("\n")
    fences, fence = [], ""
    for line in lines:
        fences.append(fence)
        fence = _fence_after(line, fence)
    kept: list[str] = []
    room, opened = _CONTEXT_WORDS, ""
    for line, within in zip(reversed(lines), reversed(fences), strict=True):
        words = line.split()
        size = max(len(words), len(line) // _WORD_CHARS)
        if size > room:
            in_code = opened or _FENCE.match(line)
            if len(words) > room > 0 and not in_code and "|" not in line:
                kept.append(" ".join(words[-room:]))
            break
        kept.append(line)
        room -= size
        opened = within
    else:
        return text
    if opened:
        kept.append(opened)
    return f"{_CUT}\n\n" + "\n".join(reversed(kept)).lstrip("\n")


def _ends_in_table(text: str) -> bool:
    return "|" in text.rpartition("\n")[2]


def _fence_after(line: str, fence: str) -> str:
    """Return the fence that is open after a line, given the one that was before it."""
    found = _FENCE.match(line)
    if not found:
        return fence
    if not fence:
        return found[1]
    return "" if found[1].startswith(fence) else fence
