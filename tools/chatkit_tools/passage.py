"""The searchable piece of a page, and what a search returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID, uuid5

from chatkit_tools.documents import Document
from chatkit_tools.lexical import lexical_text

_NAMESPACE = UUID("5b7a2f0e-8f35-4f0a-9a51-6f1d0f6f9a3e")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a page; `headings` is the path to it below the page's title."""

    id: str
    document: str
    url: str
    title: str
    headings: tuple[str, ...]
    text: str
    position: int

    @property
    def lexical_text(self) -> str:
        """What is weighed word by word."""
        return lexical_text(self.title, self.headings, self.text)

    @property
    def dense_text(self) -> str:
        """What is embedded."""
        return "\n".join([self.title, *self.headings, self.text])


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a search found.

    `score` orders the hits of one search and says nothing across searches. `coverage`, from 0 to
    1, is the part of the query's words that the passage has, rare words weighing more.
    """

    score: float
    coverage: float
    id: str
    document: str
    url: str
    title: str
    headings: tuple[str, ...]
    text: str
    position: int

    @classmethod
    def from_payload(
        cls,
        id: str,  # noqa: A002
        payload: Mapping[str, Any],
        *,
        score: float,
        coverage: float,
    ) -> Self:
        """Read what `Passages.index` wrote."""
        return cls(
            score=score,
            coverage=coverage,
            id=id,
            document=payload["document"],
            url=payload["url"],
            title=payload["title"],
            headings=tuple(payload["headings"]),
            text=payload["text"],
            position=payload["position"],
        )


def make_passages(document: Document) -> list[Passage]:
    """Return the passages of a page.

    Their ids depend on the page and the place in it: indexing twice writes the same points, and
    a page that changed overwrites its own.
    """
    return [
        Passage(
            id=str(uuid5(_NAMESPACE, f"{document.path}\0{position}")),
            document=document.path,
            url=f"{document.url}#{piece.anchor}" if piece.anchor else document.url,
            title=document.title,
            headings=piece.headings,
            text=piece.text,
            position=position,
        )
        for position, piece in enumerate(document.pieces)
    ]
