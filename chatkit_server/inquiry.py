"""What a turn looks for in the docs, and whether they had it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from chatkit.types import AssistantMessageItem, ThreadItem

from .sources import Hit, judge

Wording = Literal["asked", "completed", "rewritten"]
"""Where the words come from that were searched for: the reader, our rule, a model."""
_NEAREST = 3
_MAX_CHARS = 2000


@dataclass(slots=True)
class Inquiry:
    """One question to the docs, in all the searches that its answer takes."""

    item_id: str
    """The message that asks."""
    question: str
    query: str
    wording: Wording
    place: dict[str, str]
    """The page that it was asked on: url, title, version, locale, as far as they are known."""
    covered: bool | None = None
    """Whether any of the searches judges that the docs answer it; None before there was one."""
    confidence: float | None = None
    """The highest that any of the searches had."""
    searches: list[str] = field(default_factory=list)
    """What the model has searched for by itself."""
    used_tools: bool = False
    """Whether it called other tools, on which an answer may rest."""
    _nearest: list[Hit] = field(default_factory=list)

    def note(self, hits: Sequence[Hit]) -> None:
        """A search has found these."""
        covered, confidence = judge(hits)
        self.covered = bool(self.covered) or covered
        if confidence is not None:
            self.confidence = max(confidence, self.confidence or 0.0)
        self._nearest += hits

    def note_call(self, tool: str, arguments: str) -> None:
        """The model calls a tool."""
        if tool != "search_docs":
            self.used_tools = True
            return
        try:
            query = json.loads(arguments)["query"]
        except (ValueError, LookupError, TypeError):
            return
        self.searches.append(str(query)[:_MAX_CHARS])

    def gap(self, items: Iterable[ThreadItem], *, finished: bool) -> dict[str, Any] | None:
        """What the site's owner should know of the answer; None where the docs had one.

        Args:
            items: What the turn adds to its thread.
            finished: Whether a model has written its answer to the end.
        """
        if self.covered is None:
            return None
        answers = [item for item in items if isinstance(item, AssistantMessageItem)]
        cited = any(part.annotations for item in answers for part in item.content)
        if not self.covered:
            kind = "not_covered"
        elif finished and answers and self._nearest and not cited and not self.used_tools:
            kind = "not_cited"
        else:
            return None
        return {
            "item": self.item_id,
            "asked_at": datetime.now(UTC).isoformat(),
            "kind": kind,
            "question": self.question[:_MAX_CHARS],
            "query": self.query[:_MAX_CHARS],
            "wording": self.wording,
            "searches": self.searches,
            "nearest": self._places(),
            "confidence": self.confidence,
            "cited": cited,
            "place": self.place,
        }

    def _places(self) -> list[dict[str, Any]]:
        places = {
            hit.url: {"url": hit.url, "title": hit.title, "headings": list(hit.headings)}
            for hit in self._nearest
        }
        return list(places.values())[:_NEAREST]
