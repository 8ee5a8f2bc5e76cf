"""Puts the results of two queries into one order."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from chatkit_tools.collection import Found

# The part of a fused score that words have; the rest has meaning. Between 0.5 and 0.7 it makes no
# difference that could be measured.
_LEXICAL = 0.6
# A page's next passage stands where a page would that fits a little less.
_NEXT_PASSAGE = 0.95


def fuse(lexical: Sequence[Found], dense: Sequence[Found]) -> list[tuple[float, Found]]:
    """Add up how well a page fits by words and by meaning, each in the passage that fits best.

    Pages and not passages: the two kinds of vector often find different passages of one page.
    Scores and not ranks: a page that is far ahead in one of the two is rarely wrong.
    """
    pages: dict[str, float] = defaultdict(float)
    passages: dict[str, float] = defaultdict(float)
    found: dict[str, Found] = {}
    for ranking, scores in (
        (lexical, [_LEXICAL * score for score in _by_best(lexical)]),
        (dense, [(1 - _LEXICAL) * score for score in _by_spread(dense)]),
    ):
        seen: set[str] = set()
        for point, score in zip(ranking, scores, strict=True):
            passages[point.id] += score
            found.setdefault(point.id, point)
            if (page := point.page) not in seen:
                seen.add(page)
                pages[page] += score
    taken: Counter[str] = Counter()
    scored: list[tuple[float, Found]] = []
    for point in sorted(found.values(), key=lambda point: -passages[point.id]):
        page = point.page
        scored.append((pages[page] * _NEXT_PASSAGE ** taken[page], point))
        taken[page] += 1
    # Stable, so that equal pages stay in the order of their passages.
    return sorted(scored, key=lambda entry: -entry[0])


def _by_best(ranking: Sequence[Found]) -> list[float]:
    """Scores from 0 to 1, where 0 is no word of the query."""
    best = max((point.score for point in ranking), default=0.0)
    return [point.score / best if best > 0 else 0.0 for point in ranking]


def _by_spread(ranking: Sequence[Found]) -> list[float]:
    """Scores from ½ for the worst to 1 for the best.

    Where the cosines of unrelated texts lie differs from model to model, so they count by their
    place between the best and the worst. Not from 0: to be found at all says something too.
    """
    best = max((point.score for point in ranking), default=0.0)
    spread = best - min((point.score for point in ranking), default=0.0)
    return [1 - (best - point.score) / (2 * spread) if spread else 1.0 for point in ranking]
