"""The passages that the model has seen in one turn, numbered for citing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from chatkit.types import Annotation, URLSource

from .extracts import extract


class Hit(Protocol):
    """What a search returns, best first."""

    @property
    def id(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def headings(self) -> Sequence[str]: ...
    @property
    def text(self) -> str: ...


@runtime_checkable
class Judged(Protocol):
    """What the hits of a search may say of themselves."""

    @property
    def covered(self) -> bool:
        """Whether the docs answer the question, as far as a search can tell."""

    @property
    def confidence(self) -> float:
        """How likely that is, from 0 to 1."""


def judge(hits: Sequence[Hit]) -> tuple[bool, float | None]:
    """Whether the docs cover the question, and how likely that is; yes where nothing is known."""
    if isinstance(hits, Judged):
        return hits.covered, hits.confidence
    return True, None


class Sources:
    """Numbers passages from 1, over all searches of a turn; the same passage keeps its number."""

    def __init__(self) -> None:
        self._hits: list[Hit] = []
        self._numbers: dict[str, int] = {}
        # Two searches may find different parts of one section.
        self._texts: list[list[str]] = []

    def __len__(self) -> int:
        return len(self._hits)

    def __contains__(self, number: int) -> bool:
        return 1 <= number <= len(self._hits)

    def number(self, hits: Sequence[Hit]) -> list[int]:
        """The numbers of these passages, in their order."""
        numbers = []
        for hit in hits:
            if hit.id not in self._numbers:
                self._hits.append(hit)
                self._texts.append([])
                self._numbers[hit.id] = len(self._hits)
            number = self._numbers[hit.id]
            if hit.text not in self._texts[number - 1]:
                self._texts[number - 1].append(hit.text)
            numbers.append(number)
        return numbers

    def annotation(self, number: int, answer: str, site_url: str | None) -> Annotation:
        """The citation of a passage at the end of what is written of an answer.

        Its description is the section on the first line, and below it what the answer rests on.
        """
        hit = self._hits[number - 1]
        section = " › ".join(hit.headings)
        cited = extract("\n\n".join(self._texts[number - 1]), answer)
        url = f"{site_url}{hit.url}" if site_url and hit.url.startswith("/") else hit.url
        return Annotation(
            source=URLSource(
                url=url,
                title=hit.title,
                description=(f"{section}\n{cited}" if cited else section) or None,
            ),
            index=len(answer),
        )
