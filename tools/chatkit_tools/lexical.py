"""Weighs words by BM25, for documents and for queries."""

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from qdrant_edge import (
    Bm25,
    Bm25Config,
    DisabledStemmer,
    SnowballLanguage,
    SnowballParams,
    StopwordsSet,
)

from chatkit_tools.unspaced import read_runs, space_out

# Fields are weighed apart and added. In one text with the title in front, a title would only count
# for long, and a word of it would be worth less in a passage that repeats the word.
_TITLE = 1.0
_HEADING = 1.0
# Enough to be found by a word that stands in no text, too little to outrank a heading of its own.
_HEADINGS_ABOVE = 0.25
_SATURATION = 1.2
# Less than the usual 0.75: the pieces of a page were cut to similar lengths already.
_LENGTH_PENALTY = 0.5
# With a saturation this late, and no length in it, a weight is the number of occurrences.
_LATE = 1e9
# An address repeats words of another page.
_LINK_TARGET = re.compile(r"\]\([^()\s]*\)")
_CODE_BLOCK = re.compile(
    r"^[ \t>]*(?P<fence>`{3,}|~{3,}).*?^[ \t>]*(?P=fence)", re.DOTALL | re.MULTILINE
)
_WORD = re.compile(r"\w+")
# Those that the engine does not know by name: they have no list of stop words.
_STEMMERS: dict[str, DisabledStemmer | SnowballParams] = {
    "none": DisabledStemmer(),
    "tamil": SnowballParams(SnowballLanguage.Tamil),
}


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Weights by token, as Qdrant's REST interface writes them."""

    indices: list[int]
    values: list[float]


@dataclass(frozen=True, slots=True)
class LexicalText:
    """What is searched of a passage, by field: `above` has the headings over its own."""

    title: str = ""
    heading: str = ""
    above: str = ""
    text: str = ""

    def __str__(self) -> str:
        return "\n".join([self.title, self.above, self.heading, self.text])


class Lexical:
    """The words of one language: split, stemmed and without stop words."""

    def __init__(self, language: str = "english") -> None:
        try:
            self._counter = _bm25(language, k=_LATE, b=0.0)
        except ValueError as exc:
            raise ValueError(
                f"the lexical language {language!r} is not known; use an English name in small"
                " letters, like 'english' or 'german'"
            ) from exc
        self.language = language
        self._names = _bm25(language, k=_SATURATION, b=0.0)

    def count(self, text: LexicalText) -> int:
        """Count the words of the text that weigh anything."""
        return round(sum(self._counter.embed_document(space_out(text.text)).values))

    def tokens(self, text: str | LexicalText) -> list[int]:
        """Return the tokens of `text`, each once."""
        return list(self._counter.embed_query(space_out(str(text))).indices)

    def counts(self, text: str) -> dict[int, int]:
        """Count each token of `text`."""
        found = self._counter.embed_document(space_out(text))
        return {
            token: round(value) for token, value in zip(found.indices, found.values, strict=True)
        }

    def runs(self, text: str) -> list[tuple[list[int], int]]:
        """Return the tokens of each stretch of `text` without spaces, and of how many characters.

        They are in their order, and overlap.
        """
        return [
            ([token for part in parts for token in self._counter.embed_query(part).indices], size)
            for parts, size in read_runs(text)
        ]

    def weigh_query(self, text: str) -> SparseVector:
        """Weigh a query: what it says again and again weighs more, but not in proportion."""
        counts = self.counts(text)
        return SparseVector(list(counts), [math.sqrt(count) for count in counts.values()])

    def weigh_texts(self, texts: Sequence[LexicalText], mean_length: float) -> list[SparseVector]:
        """Weigh texts of a collection in which `count` gives `mean_length` on average."""
        length = max(mean_length, 1.0)
        body = _bm25(self.language, k=_SATURATION, b=_LENGTH_PENALTY, avg_len=length)
        return [self._weigh(text, body) for text in texts]

    def _weigh(self, text: LexicalText, body: Bm25) -> SparseVector:
        found = body.embed_document(space_out(text.text))
        weights = defaultdict(float, zip(found.indices, found.values, strict=True))
        for name, weight in (
            (text.title, _TITLE),
            (text.heading, _HEADING),
            (text.above, _HEADINGS_ABOVE),
        ):
            if name:
                found = self._names.embed_document(space_out(name))
                for token, value in zip(found.indices, found.values, strict=True):
                    weights[token] += weight * value
        return SparseVector(list(weights), list(weights.values()))


def _bm25(language: str, *, k: float, b: float, avg_len: float | None = None) -> Bm25:
    if language not in _STEMMERS:
        return Bm25(Bm25Config(language=language, k=k, b=b, avg_len=avg_len))
    stemmer, no_words = _STEMMERS[language], StopwordsSet(languages=set(), custom=set())
    return Bm25(Bm25Config(stemmer=stemmer, stopwords=no_words, k=k, b=b, avg_len=avg_len))


def lexical_text(title: str, headings: Sequence[str], text: str) -> LexicalText:
    """Take apart what is searched of a passage; `headings` is the path to it."""
    return LexicalText(
        title=title,
        heading=headings[-1] if headings else "",
        above="\n".join(headings[:-1]),
        text=_CODE_BLOCK.sub(_each_word_once, _LINK_TARGET.sub("]", text)),
    )


def _each_word_once(code: re.Match[str]) -> str:
    # Code repeats a name because its syntax wants that, and not because it is about it.
    return " ".join(dict.fromkeys(_WORD.findall(code[0])))
