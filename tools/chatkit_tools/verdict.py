"""Judges whether the docs answer a question.

The chance is a logistic regression on a few figures, with one set of weights for words alone and
one for words and meaning. They were fitted by `tests/bench/verdict.py`, and rounded, on questions
from public threads that four documentations answer (56) and don't (14), on those about our own
docs (33 and 10), which are short, and, at a fiftieth of their weight, on the 56 asked of the three
documentations of other products.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from chatkit_tools.lexical import Lexical, SparseVector, lexical_text

DEPTH = 8
"""How many of the passages with the best words are to be judged by."""

# To answer what the docs don't say costs more than to show the nearest pages where they do.
_THRESHOLD = 0.65
# Intercept; weight of coverage, of the logarithm of the number of words, of relatedness.
_BY_WORDS = (-3.5, 8.7, 0.6, 0.0)
_BY_WORDS_AND_MEANING = (-3.4, 7.2, 0.0, 2.0)
# What a word weighs here that people ask with and docs do not use, though it is rare in the docs.
_ASKING_WEIGHT = 0.25
_ASKING = {
    "english": """
    want need wish like would should could might must may shall try able possible possibility
    cannot know understand wonder figure aware unaware sure confused idea clue help please thank
    advance question ask answer anyone someone somebody anybody everyone people guy hi hello hey
    way thing stuff something anything everything nothing somehow anyway kind sort lot bit already
    currently actually really just also still even maybe perhaps usually basically simply simple
    easily easy properly correctly exactly always never ever yet now seem appear look find see
    think believe guess feel expect hope get make go come let give take put use work happen mean
    issue problem trouble bug wrong strange weird unfortunately however instead due case solution
    suggest suggestion recommend good best better nice great right new one two first second don
    doesn didn isn aren won couldn wouldn shouldn i'm i've don't doesn't isn't can't
    """
}
# So much of a question is looked at for parts across the borders of words, which takes its time.
_BRIDGED = 500
# Of scripts without spaces, which are cut alike whatever language is set.
_ASKING_UNSPACED = """
    如何 怎么 怎样 怎麼 怎樣 什么 什麼 为什么 為什麼 是否 能不能 可以 可不可以 请问 請問
    哪里 哪裡 哪个
    どう どの どこ なぜ すれば ですか ますか でしょうか したい 教えて ください
    อย่างไร ยังไง ไหม ทำไม อะไร ได้ไหม
"""


class Point(Protocol):
    """A passage that a query found."""

    @property
    def id(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def payload(self) -> Mapping[str, Any]: ...
    @property
    def lexical(self) -> SparseVector | None: ...


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the chance is made of."""

    coverage: float
    """The part of the question's words that the best passage has, rare words weighing more."""
    words: int
    """How many different words the question has: a long one tells a story that no passage tells."""
    relatedness: float | None = None
    """How close in meaning the passages with the best words come: around 0 for texts that have
    nothing to do with each other, around 1 for a question and its answer; None where there are no
    dense vectors."""

    @property
    def confidence(self) -> float:
        """How likely it is, from 0 to 1, that the docs answer the question."""
        weights = _BY_WORDS if self.relatedness is None else _BY_WORDS_AND_MEANING
        figures = (1.0, self.coverage, math.log1p(self.words), self.relatedness or 0.0)
        weighed = sum(weight * figure for weight, figure in zip(weights, figures, strict=True))
        return 1 / (1 + math.exp(-weighed))

    @property
    def covered(self) -> bool:
        """Whether that is enough to answer."""
        return self.confidence >= _THRESHOLD


class Reading:
    """What the words of one question find in passages."""

    def __init__(self, question: str, rarities: Mapping[int, float], lexical: Lexical) -> None:
        """`rarities` of the question's words, by token."""
        counts = lexical.counts(question)
        self._asking = asking = _asking(lexical.language)
        self._lexical = lexical
        self._rarities = {token: rarities.get(token, 1.0) for token in counts}
        self._weights = {
            token: rarity * counts[token] * (_ASKING_WEIGHT if token in asking else 1.0)
            for token, rarity in self._rarities.items()
        }
        self._runs = lexical.runs(question[:_BRIDGED])
        self._tokens: dict[str, frozenset[int]] = {}

    def coverage(self, points: Iterable[Point]) -> float:
        """Return the part of the question's words that passages have together."""
        present = self._bridge(frozenset().union(*map(self._read, points)))
        return measure_coverage(self._rarities, present)

    def judge(
        self, best: Sequence[Point], dense: Sequence[Point], scale: "Scale | None"
    ) -> Evidence:
        """Weigh the passages with the best words; by meaning too, where there is a `scale`.

        `dense` are those that are nearest in meaning, and need no payload.
        """
        relatedness = None
        if dense and scale and best:
            cosines = {point.id: point.score for point in dense}
            farthest = min(cosines.values())
            relatedness = scale.place(max(cosines.get(point.id, farthest) for point in best))
        coverage = max(
            (measure_coverage(self._weights, self._bridge(self._read(point))) for point in best),
            default=0.0,
        )
        return Evidence(coverage, len(self._weights), relatedness)

    def _bridge(self, present: frozenset[int]) -> frozenset[int]:
        """Add what is no word, but stands across the border of two that are there.

        In a script without spaces such parts are rare, and would count as what is missing most.
        """
        if not self._runs:
            return present
        across = set()
        known = present | self._asking
        for run, size in self._runs:
            there = [token in known for token in run]
            # Each list says it of a neighbour, which at the ends of the run is not there.
            before = [[False] * step + there for step in range(1, size)]
            after = [there[step:] + [False] * step for step in range(1, size)]
            across |= {
                token
                for token, *around in zip(run, *before, *after, strict=False)
                if any(around[: size - 1]) and any(around[size - 1 :])
            }
        return present | across

    def _read(self, point: Point) -> frozenset[int]:
        if point.lexical is not None:
            return frozenset(point.lexical.indices)
        if point.id not in self._tokens:
            payload = point.payload
            text = lexical_text(payload["title"], payload["headings"], payload["text"])
            self._tokens[point.id] = frozenset(self._lexical.tokens(text))
        return self._tokens[point.id]


def measure_coverage(wanted: Mapping[int, float], present: Collection[int]) -> float:
    """Return which part of the wanted tokens, by their weight, is there."""
    total = sum(wanted.values())
    if not total:
        return 0.0
    return sum(weight for token, weight in wanted.items() if token in present) / total


# Questions, and what would answer each.
_YARDSTICK = (
    ("How do I install it?", "Install the package with the package manager of your system."),
    (
        "Why can't I log in?",
        "When signing in fails, check the user name and the password, or reset the password.",
    ),
    (
        "Which port does the server listen on?",
        "The server listens on port 8080; set another one in the configuration.",
    ),
    ("How can I export my data?", "Download all records as a CSV file from the export menu."),
    (
        "Can it run on several machines?",
        "Run any number of replicas behind a load balancer to scale out.",
    ),
    (
        "How do I change the colours?",
        "Themes set the colours and fonts of the user interface.",
    ),
    (
        "What does this error mean?",
        "Each error message is listed here with its cause and what to do about it.",
    ),
    (
        "How do I write a test for it?",
        "Unit tests are written as functions and run by the test runner.",
    ),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """Where the cosines of an embedding model lie; they differ too much to be compared bare."""

    unrelated: float
    related: float

    @classmethod
    def of(cls, vectors: Sequence[Sequence[float]]) -> "Scale":
        """Read it from the vectors of `texts`."""
        half = len(vectors) // 2
        same: list[float] = []
        other: list[float] = []
        for row, question in enumerate(vectors[:half]):
            for column, answer in enumerate(vectors[half:]):
                (same if row == column else other).append(_cosine(question, answer))
        return cls(sum(other) / len(other), sum(same) / len(same))

    @staticmethod
    def texts() -> list[str]:
        """What to embed: the questions, then the answers."""
        return [question for question, _ in _YARDSTICK] + [answer for _, answer in _YARDSTICK]

    def place(self, cosine: float) -> float:
        """Return 0 for a cosine of texts that are not related, 1 for one of texts that are."""
        # A model that can't tell them apart says nothing about these texts either.
        distance = max(self.related - self.unrelated, 0.05)
        return min(max((cosine - self.unrelated) / distance, -0.5), 1.5)


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product / ((math.hypot(*one) * math.hypot(*other)) or 1.0)


@cache
def _asking(language: str) -> frozenset[int]:
    return frozenset(Lexical(language).tokens(_ASKING.get(language, "") + _ASKING_UNSPACED))
