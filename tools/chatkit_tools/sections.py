"""Puts the parts of a section together again, and shows a part what stands around it."""

import re

# What a part knows of the ones before and after it: enough for "this" and "as follows" to make
# sense, and short beside the part itself.
_CONTEXT_WORDS = 60
_CUT = "…"

_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})")
_TABLE_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*")


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
        if len(words) > room:
            if room and not fence and "|" not in line:
                kept.append(" ".join(words[:room]))
            break
        kept.append(line)
        room -= len(words)
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
        if len(words) > room:
            if room and not opened and not _FENCE.match(line) and "|" not in line:
                kept.append(" ".join(words[-room:]))
            break
        kept.append(line)
        room -= len(words)
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
