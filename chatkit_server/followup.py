"""Completes a question that leans on the conversation, by rule."""

from __future__ import annotations

import re
from collections.abc import Sequence

from chatkit.types import ThreadItem, UserMessageItem

from .record import text_of

# Words that point back, at the start of a question or as its subject.
_LEANS = re.compile(
    r"^(and|but|or|also|what about|how about|why|und|et|y)\b"
    r"|\b(it|its|that|this|these|those|they|them|one|ones|there|same|instead)\b",
    re.IGNORECASE,
)
_SHORT = 3
_LONG = 20


def complete(question: str, items: Sequence[ThreadItem]) -> str:
    """The question to search for: with the one before it, where it can't stand alone.

    Args:
        question: As asked.
        items: Of the thread, oldest first, the question included.
    """
    words = len(question.split())
    if words > _LONG or (words > _SHORT and not _LEANS.search(question)):
        return question
    asked = [item for item in items if isinstance(item, UserMessageItem)]
    if len(asked) < 2:
        return question
    return f"{text_of(asked[-2])[:300]} {question}"
