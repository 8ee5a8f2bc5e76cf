"""Which pages of a source are wanted, by their addresses."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import Self

from chatkit_tools.source import Read, SkippedDocument, Source


@dataclass(frozen=True, slots=True)
class Patterns:
    """Which addresses are wanted; a pattern without a scheme is one of paths."""

    include: tuple[re.Pattern[str], ...] = ()
    exclude: tuple[re.Pattern[str], ...] = ()

    @classmethod
    def of(cls, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Self:
        """`*` stands for anything, slashes too, and `?` for one character."""
        return cls(
            *(tuple(re.compile(translate(p)) for p in group) for group in (include, exclude))
        )

    def want(self, address: str) -> bool:
        """Tell whether a page is to be indexed."""
        path = re.sub(r"^[a-z]+://[^/]*", "", address) or "/"

        def meets(patterns: tuple[re.Pattern[str], ...]) -> bool:
            return any(
                pattern.match(address if "://" in pattern.pattern else path) for pattern in patterns
            )

        return (not self.include or meets(self.include)) and not meets(self.exclude)


class Selection:
    """A source without the pages that are not wanted."""

    def __init__(self, source: Source, patterns: Patterns) -> None:
        self._source = source
        self._patterns = patterns

    @property
    def name(self) -> str:
        """That of the source: pages that are wanted no more are removed."""
        return self._source.name

    @property
    def total(self) -> int | None:
        """How many pages there are, wanted or not."""
        return self._source.total

    async def read(self, known: Mapping[str, str]) -> AsyncIterator[Read]:
        """Yield the pages that are wanted, and at the end how many are not."""
        unwanted = 0
        async for read in self._source.read(known):
            address = "" if isinstance(read, SkippedDocument) else read.url
            if address and not self._patterns.want(address):
                unwanted += 1
            else:
                yield read
        if unwanted:
            yield SkippedDocument(self.name, f"has {unwanted:,} pages that the patterns leave out")
