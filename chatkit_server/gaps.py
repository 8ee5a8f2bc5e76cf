"""Questions that the docs did not answer, put together where they ask the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from .followup import weight

# So much of all words that two questions have, they share.
_ALIKE = 0.6
_WORDINGS = 3
_COMMON = 200


class UnansweredQuestion(Protocol):
    """A question as it was recorded; `Inquiry.gap` says what is in `data`."""

    @property
    def asked_at(self) -> datetime: ...
    @property
    def kind(self) -> str: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


@dataclass(slots=True)
class Group:
    """Questions that ask the same, newest first."""

    words: frozenset[str]
    questions: list[UnansweredQuestion] = field(default_factory=list)

    @property
    def newest(self) -> UnansweredQuestion:
        return self.questions[0]

    @property
    def nearest(self) -> Mapping[str, Any] | None:
        """The place in the docs that the search found first, mostly."""
        first: list[Mapping[str, Any]] = [
            q.data["nearest"][0] for q in self.questions if q.data.get("nearest")
        ]
        if not first:
            return None
        url, _ = Counter(place["url"] for place in first).most_common(1)[0]
        return next(place for place in first if place["url"] == url)

    def summary(self) -> dict[str, Any]:
        """Everything that is known of it, for JSON."""
        return {
            "count": len(self.questions),
            "question": shown(self.newest),
            "kinds": dict(Counter(question.kind for question in self.questions)),
            "last_asked_at": self.newest.asked_at.isoformat(),
            "nearest": self.nearest,
            "asked": [
                {"at": question.asked_at.isoformat(), "kind": question.kind, **question.data}
                for question in self.questions
            ],
        }

    def lines(self) -> Iterator[str]:
        """The same for people, in a few lines."""
        kinds = {question.kind for question in self.questions}
        note = "  (answered without a citation)" if kinds == {"not_cited"} else ""
        yield f"{len(self.questions):4} × {_plain(shown(self.newest))}{note}"
        others = dict.fromkeys(_plain(shown(question)) for question in self.questions[1:])
        others.pop(_plain(shown(self.newest)), None)
        for wording in list(others)[:_WORDINGS]:
            yield f"       also: {wording}"
        pages = Counter(
            str(page) for q in self.questions if (page := (q.data.get("place") or {}).get("url"))
        )
        nearest = self.nearest
        if nearest is not None:
            place = " › ".join([nearest["title"], *nearest["headings"]])
            yield f"       nearest: {_plain(place)}  {_plain(nearest['url'])}"
        for page, _ in pages.most_common(1):
            yield f"       asked on: {_plain(page)}"
        yield f"       last: {self.newest.asked_at:%Y-%m-%d %H:%M}"


def shown(question: UnansweredQuestion) -> str:
    """The question in words that make sense alone."""
    data = question.data
    return str(data["question"] if data.get("wording") == "asked" else data["query"])


def group(questions: Sequence[UnansweredQuestion]) -> list[Group]:
    """Put together what asks the same; what was asked most often comes first.

    Args:
        questions: Newest first.
    """
    groups: dict[frozenset[str], Group] = {}
    having: dict[str, list[Group]] = {}
    for question in questions:
        words = frozenset(map(_stem, weight(shown(question))))
        found = groups.get(words)
        if found is None:
            # A word that very many have makes none of them alike.
            lists = (having.get(word, []) for word in words)
            found = _most_alike(words, (g for near in lists if len(near) <= _COMMON for g in near))
        if found is None:
            found = groups[words] = Group(words)
            for word in words:
                having.setdefault(word, []).append(found)
        found.questions.append(question)
    return sorted(groups.values(), key=lambda g: len(g.questions), reverse=True)


def _most_alike(words: frozenset[str], groups: Iterable[Group]) -> Group | None:
    best, found = _ALIKE, None
    for near in groups:
        alike = len(words & near.words) / len(words | near.words)
        if alike >= best and near is not found:
            best, found = alike, near
    return found


def _stem(word: str) -> str:
    """The word without an ending that says nothing here, in English at least."""
    for ending in ("ing", "ies", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending).rstrip("e")
    return word.rstrip("ey")


def _plain(text: str) -> str:
    # Readers and browsers write it: nothing of it is to reach the terminal as a command.
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]
