"""The words of a passage that a statement rests on, as they stand on the page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .followup import weight

MAX_CHARS = 200
_STATEMENT_CHARS = 400

_FENCE = re.compile(r"^ {0,3}(?:`{3,}|~{3,}).*$")
_BREAK = re.compile(r"^\s*(?:\[…\]|[-*_=|:\s]+|:{3,}.*)$")
_OPENS_A_LINE = re.compile(r"^\s*(?:#{1,6}\s+|>\s?|(?:[-*+]|\d{1,3}[.)])\s+(?:\[[ x]\]\s+)?|\|)")
_LINK = re.compile(r"!?\[([^\]\n]*)\](?:\([^)\n]*\)|\[[^\]\n]*\])")
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]*>")
_EMPHASIS = re.compile(r"(\*\*|__|~~)(?=\S)(.+?)(?<=\S)\1|(?<!\w)([*_])(?=\S)(.+?)(?<=\S)\3(?!\w)")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_CODE = re.compile(r"(`+)(.+?)\1")
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+")


def extract(passage: str, answer: str) -> str:
    """At most 200 characters of a passage, in plain text.

    Args:
        passage: In Markdown.
        answer: Up to the place where the passage is cited; its last sentence is looked for.
    """
    sentences = list(_sentences(passage))
    if not sentences:
        return ""
    start = _nearest(sentences, answer)
    text = sentences[start]
    for following in sentences[start + 1 :]:
        if len(text) + 1 + len(following) > MAX_CHARS:
            break
        text = f"{text} {following}"
    return text if len(text) <= MAX_CHARS else f"{_whole_words(text[: MAX_CHARS - 1])}…"


def _nearest(sentences: Sequence[str], answer: str) -> int:
    """The sentence that has most of the words of the answer's last one; the first by default."""
    said = [plain for plain in _sentences(answer[-_STATEMENT_CHARS:]) if weight(plain)]
    words = set(weight(said[-1])) if said else set()
    shared = [len(words.intersection(weight(sentence))) for sentence in sentences]
    best = max(shared)
    # One word in common is a chance; the beginning of a section says what it is about.
    return shared.index(best) if best >= 2 else 0


def _sentences(markdown: str) -> Iterator[str]:
    for block in _blocks(markdown):
        for sentence in _SENTENCE.split(block):
            if any(char.isalnum() for char in sentence):
                yield sentence


def _blocks(markdown: str) -> Iterator[str]:
    """Paragraphs, list items, rows of tables and lines of code, without their markup."""
    paragraph: list[str] = []
    code = False
    for line in [*markdown.splitlines(), ""]:
        fence = _FENCE.match(line) is not None
        stands_alone = code or line.lstrip().startswith(("|", "#"))
        ends = not line.strip() or fence or _BREAK.match(line) or _OPENS_A_LINE.match(line) or code
        if ends and paragraph:
            yield _plain(" ".join(paragraph))
            paragraph = []
        if fence:
            code = not code
        elif code:
            yield " ".join(line.split())
        elif line.strip() and not _BREAK.match(line):
            paragraph.append(_OPENS_A_LINE.sub("", line).strip())
            if stands_alone:
                yield _plain(" ".join(paragraph))
                paragraph = []


def _plain(text: str) -> str:
    kept: list[str] = []

    def keep(code: str) -> str:
        kept.append(code)
        return f"\0{len(kept) - 1}\0"

    # What stands in code is no markup.
    text = _CODE.sub(lambda found: keep(found[2].strip()), text.replace("\0", ""))
    text = _ESCAPE.sub(lambda found: keep(found[1]), text)
    text = _LINK.sub(r"\1", text)
    text = _EMPHASIS.sub(lambda found: found[2] or found[4], text)
    text = _TAG.sub("", text).replace("|", " ")
    text = re.sub("\0(\\d+)\0", lambda found: kept[int(found[1])], text)
    return " ".join(text.split())


def _whole_words(text: str) -> str:
    """Without the word that was cut; of scripts that set no spaces, all."""
    head, space, _ = text.rpartition(" ")
    return head if space and len(head) > MAX_CHARS // 2 else text
