"""What the reader has in front of them: the page, and the words that they quote from it.

All of it is untrusted: the page tells it, and anyone may have written what stands on it.
"""

from __future__ import annotations

import json
import re

from .context import ReadingPage
from .followup import leans, weight

_QUOTE_CHARS = 2000
_SEARCHED_CHARS = 300
# A question of fewer words that say something hardly says what it is about.
_SHORT = 3

# A site's name stands behind the title of its page.
_SITE_NAME = re.compile(r"\s+[|·•—–»-]\s+[^|·•—–»]*$")
_ABOUT_THE_PAGE = re.compile(
    r"\b(?:this|the current|that) (?:\w+ )?(?:page|section|chapter|article|guide|tutorial|topic"
    r"|paragraph|passage|document|post|text|part|heading|table|snippet)\b"
    r"|\b(?:tl;?dr|summar(?:y|i[sz]e))\W*$|\b(?:written|described|shown|explained|mentioned"
    r"|documented|said) here\b"
    r"|\b(?:diese[rnms]?|dem|der) (?:seite|abschnitt|kapitel|artikel|anleitung)\b"
    r"|\b(?:cette|ce|cet) (?:page|section|chapitre|article|guide)\b"
    r"|\b(?:esta|este) (?:página|sección|capítulo|artículo|guía)\b",
    re.IGNORECASE,
)


def about_reading(
    question: str, quoted: str | None, page: ReadingPage | None, *, opening: bool
) -> str | None:
    """The query for a question about what is being read; None for any other question.

    Args:
        question: As asked.
        quoted: What the reader quotes with it.
        page: Where they are.
        opening: Whether no question comes before it, that it could lean on instead.
    """
    leaning = leans(question)
    if quoted and quoted.strip() and (leaning or len(weight(question)) <= _SHORT):
        return f"{_cut(quoted, _SEARCHED_CHARS)} {question}"
    names = _names(page)
    if names and (_ABOUT_THE_PAGE.search(question) or (opening and leaning)):
        return f"{names} {question}"
    return None


def page_note(page: ReadingPage | None) -> str:
    """One line for the question about the page that the reader is on."""
    if page is None or not (page.url or page.title):
        return ""
    told = {
        "title": page.title,
        "section": page.heading,
        "url": page.url,
        "version": page.version,
        "language": page.locale,
    }
    known = {name: value for name, value in told.items() if value}
    return f"Asked while reading <page>{_as_json(known)}</page>"


def quote_note(quoted: str) -> str:
    """One line for the question about what the reader quotes with it."""
    return f"The question is about <quote>{_as_json(_cut(quoted, _QUOTE_CHARS))}</quote>"


def _names(page: ReadingPage | None) -> str:
    """What a page and its section are called, as a search understands it."""
    if page is None:
        return ""
    title = _SITE_NAME.sub("", page.title)
    return " ".join(dict.fromkeys(name for name in (title, page.heading) if name))


def _cut(text: str, limit: int) -> str:
    """The beginning of a text, on one line, with its last word whole."""
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[:limit].rsplit(' ', 1)[0]} …"


def _as_json(value: object) -> str:
    # With "<" escaped, so that no text can end the quotation.
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
