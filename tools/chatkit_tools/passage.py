"""The searchable piece of a page, and what a search returns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Self, overload
from uuid import UUID, uuid5

from chatkit_tools.lexical import LexicalText, lexical_text
from chatkit_tools.note import FORMAT
from chatkit_tools.pieces import Piece
from chatkit_tools.sections import beginning, ending, new_in
from chatkit_tools.source import Document
from chatkit_tools.verdict import Evidence

# So much of a passage's id, as it is written, is that of its page.
PAGE_DIGITS = 18
_NAMESPACE = UUID("5b7a2f0e-8f35-4f0a-9a51-6f1d0f6f9a3e")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a page; `headings` is the path to it below the page's title."""

    id: str
    document: str
    page: str
    """Address of the page; `url` has the heading's fragment too."""
    url: str
    title: str
    headings: tuple[str, ...]
    text: str
    position: int
    version: str = ""
    locale: str = ""
    breadcrumbs: tuple[str, ...] = ()
    section: str = ""
    """Where a section was cut: the id of its first passage, which all of its passages have."""
    before: str = ""
    """How the passage before it in the section ends."""
    after: str = ""
    """How the passage after it in the section begins."""

    @classmethod
    def read(cls, id: str, payload: Mapping[str, Any]) -> Self:  # noqa: A002
        """Read what `payload` wrote."""
        return cls(
            id=id,
            **{name: payload[name] for name in cls.__slots__ if name != "id" and name in payload}
            | {name: tuple(payload.get(name) or ()) for name in ("headings", "breadcrumbs")},
        )

    def payload(self) -> dict[str, Any]:
        """Return what is stored beside the vectors."""
        left_out = {"id"} if self.section else {"id", "section", "before", "after"}
        return {name: getattr(self, name) for name in self.__slots__ if name not in left_out}

    @property
    def lexical_text(self) -> LexicalText:
        """What is weighed word by word."""
        return lexical_text(self.title, self.headings, self.text)

    @property
    def dense_text(self) -> str:
        """What is embedded."""
        return "\n".join([self.title, *self.headings, self.text])


@dataclass(frozen=True, slots=True)
class Hit:
    """A section that a search found: a passage, or several that follow each other.

    `score` orders the hits of one search and says nothing across searches. `coverage`, from 0 to
    1, is the part of the query's words that the passage has, rare words weighing more.
    `before` and `after` are what stands around the text in a section that was cut, and `also` are
    the addresses of other places with the same text.
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
    page: str = ""
    version: str = ""
    locale: str = ""
    before: str = ""
    after: str = ""
    also: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, passage: Passage, *, score: float, coverage: float, also: tuple[str, ...] = ()
    ) -> Self:
        """Make a hit of a passage that was found."""
        measured: dict[str, Any] = {"score": score, "coverage": coverage, "also": also}
        taken = {name: getattr(passage, name) for name in cls.__slots__ if name not in measured}
        return cls(**taken, **measured)


@dataclass(frozen=True, slots=True)
class Results(Sequence[Hit]):
    """The hits of one search, best first."""

    hits: tuple[Hit, ...] = ()
    confidence: float = 0.0
    """From 0 to 1, how likely it is that the docs answer the question."""
    covered: bool = False
    """Whether that is enough; where not, the answer is: the docs don't say."""
    evidence: Evidence | None = None
    """What the confidence is made of; None where nothing was searched."""

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Hit]: ...
    def __getitem__(self, index: int | slice) -> Hit | Sequence[Hit]:
        return self.hits[index]

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)


def make_passages(document: Document, model: str | None = None, born: int = 1) -> list[Passage]:
    """Return the passages of a page.

    Their ids depend on what the page says, on the model that embeds it, on the generation and on
    the place in the page: what an edited page says stands beside what it said, until readers are
    to see it, and a run that goes on where another broke off writes the same points.
    """
    state = f"{FORMAT}\0{born}\0{model or ''}\0{document.hash}"
    ids = [_make_id(document.url, state, position) for position in range(len(document.pieces))]
    return [
        Passage(
            id=ids[position],
            document=document.path,
            page=document.url,
            url=f"{document.url}#{piece.anchor}" if piece.anchor else document.url,
            title=document.title,
            headings=piece.headings,
            text=piece.text,
            position=position,
            version=document.version,
            locale=document.locale,
            breadcrumbs=document.breadcrumbs,
            section="" if cut is None else ids[cut.first],
            before="" if cut is None else cut.before,
            after="" if cut is None else cut.after,
        )
        for position, (piece, cut) in enumerate(
            zip(document.pieces, _find_cuts(document.pieces), strict=True)
        )
    ]


def _make_id(url: str, state: str, position: int) -> str:
    # The first half is that of all passages of the page: results are put together by page before
    # anything else is known of them.
    page = uuid5(_NAMESPACE, url).int >> 64
    piece = uuid5(_NAMESPACE, f"{url}\0{state}\0{position}").int & ((1 << 64) - 1)
    return str(UUID(int=page << 64 | piece))


@dataclass(frozen=True, slots=True)
class _Cut:
    """What a piece has of its section; `first` is the place of the section's first piece."""

    first: int
    before: str
    after: str


def _find_cuts(pieces: Sequence[Piece]) -> Iterator[_Cut | None]:
    """Yield for each piece what stands around it, None where its section is in one piece."""
    first = 0
    for _, group in groupby(pieces, key=lambda piece: (piece.anchor, piece.headings)):
        texts = [piece.text for piece in group]
        for place, text in enumerate(texts):
            before = ending(texts[place - 1]) if place else ""
            last = place + 1 == len(texts)
            after = "" if last else beginning(new_in(texts[place + 1], text))
            yield _Cut(first, before, after) if len(texts) > 1 else None
        first += len(texts)
