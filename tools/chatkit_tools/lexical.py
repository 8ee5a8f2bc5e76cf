"""Weighs words by BM25, for documents and for queries."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from qdrant_edge import Bm25, Bm25Config

# A query that names the page finds it before the pages that only mention it.
TITLE_WEIGHT = 3
# With a saturation this late, and no length in it, a weight is the number of occurrences.
_LATE = 1e9
# An address repeats words of another page.
_LINK_TARGET = re.compile(r"\]\([^()\s]*\)")
_CODE_BLOCK = re.compile(
    r"^[ \t>]*(?P<fence>`{3,}|~{3,}).*?^[ \t>]*(?P=fence)", re.DOTALL | re.MULTILINE
)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Weights by token, as Qdrant's REST interface writes them."""

    indices: list[int]
    values: list[float]


class Lexical:
    """The words of one language: split, stemmed and without stop words."""

    def __init__(self, language: str = "english") -> None:
        try:
            self._counter = Bm25(Bm25Config(language=language, k=_LATE, b=0.0))
        except ValueError as exc:
            raise ValueError(
                f"the lexical language {language!r} is not known; use an English name in small"
                " letters, like 'english' or 'german'"
            ) from exc
        self.language = language

    def count(self, text: str) -> int:
        """Count the words that weigh anything."""
        return round(sum(self._counter.embed_document(text).values))

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of `text`, each once."""
        return list(self._counter.embed_query(text).indices)

    def weigh_query(self, text: str) -> SparseVector:
        """Weigh a query."""
        found = self._counter.embed_query(text)
        return SparseVector(list(found.indices), list(found.values))

    def weigh_texts(self, texts: Sequence[str], mean_length: float) -> list[SparseVector]:
        """Weigh texts of a collection in which they are `mean_length` words long on average."""
        model = Bm25(Bm25Config(language=self.language, avg_len=max(mean_length, 1.0)))
        weighed = (model.embed_document(text) for text in texts)
        return [SparseVector(list(found.indices), list(found.values)) for found in weighed]


def lexical_text(title: str, headings: Sequence[str], text: str) -> str:
    """Put the title and the path of headings in front of the text."""
    words = _CODE_BLOCK.sub(_each_word_once, _LINK_TARGET.sub("]", text))
    return "\n".join([*([title] * TITLE_WEIGHT), *headings, words])


def _each_word_once(code: re.Match[str]) -> str:
    # Code repeats a name because its syntax wants that, and not because it is about it.
    return " ".join(dict.fromkeys(_WORD.findall(code[0])))
