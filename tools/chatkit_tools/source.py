"""What an index run takes from a source of documents."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeAlias, TypeVar

from chatkit_tools.pieces import Piece

T = TypeVar("T")
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Document:
    """One page of the docs."""

    path: str
    """Its name within the source: a file's path with forward slashes, or an address."""
    url: str
    """Its address, without a fragment, by which the collection knows it."""
    title: str
    pieces: tuple[Piece, ...]
    version: str = ""
    """Empty where it belongs to no version."""
    locale: str = ""
    """Empty where its language is not known."""
    breadcrumbs: tuple[str, ...] = ()
    """The categories above it."""
    fingerprint: str = ""
    """What tells the source the next time, without reading it, that the page is the same."""

    @property
    def hash(self) -> str:
        """Stands for all that is searched and shown of the page."""
        shown = [
            self.url,
            self.title,
            self.version,
            self.locale,
            self.breadcrumbs,
            *((piece.anchor, piece.headings, piece.text) for piece in self.pieces),
        ]
        return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class UnchangedDocument:
    """A page that is as the collection has it."""

    path: str
    url: str


@dataclass(frozen=True, slots=True)
class UnreadableDocument:
    """A page that could not be read, and why; what is stored of it stays."""

    path: str
    reason: str
    url: str = ""
    """Its address; empty where that stands in what can't be read."""


@dataclass(frozen=True, slots=True)
class SkippedDocument:
    """A page that is left out on purpose, and why; what is stored of it goes."""

    path: str
    reason: str


Read: TypeAlias = Document | UnchangedDocument | UnreadableDocument | SkippedDocument


class Source(Protocol):
    """Where documents come from."""

    @property
    def name(self) -> str:
        """Whose pages these are: pages of a former run of this name that are gone are removed."""

    @property
    def total(self) -> int | None:
        """How many pages there are, None while that is not known."""

    def read(self, known: Mapping[str, str]) -> AsyncIterator[Read]:
        """Yield every page; `known` has the fingerprints of what is stored, by address.

        Raises:
            SourceError: nothing can be read at all.
        """


async def read_in_thread(documents: Iterator[T]) -> AsyncIterator[T]:
    """Yield from an iterator that works in threads, a few steps at a time."""
    while batch := await asyncio.to_thread(lambda: list(islice(documents, _AT_ONCE))):
        for document in batch:
            yield document
