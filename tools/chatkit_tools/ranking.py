"""Puts the results of several queries into one order, and says how much of a query they cover."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from chatkit_tools.collection import Found

_RRF_K = 60
# A page's next passage stands where a page would that is three ranks lower in both rankings.
_NEXT_PASSAGE = 0.95


def fuse(rankings: Sequence[Sequence[Found]]) -> list[tuple[float, Found]]:
    """Fuse rankings of passages by the reciprocal ranks of their pages.

    Pages and not passages: the two kinds of vector often find different passages of one page.
    """
    pages: dict[str, float] = defaultdict(float)
    passages: dict[str, float] = defaultdict(float)
    found: dict[str, Found] = {}
    for ranking in rankings:
        for rank, page in enumerate(dict.fromkeys(_page(point) for point in ranking), 1):
            pages[page] += 1 / (_RRF_K + rank)
        for rank, point in enumerate(ranking, 1):
            passages[point.id] += 1 / (_RRF_K + rank)
            found.setdefault(point.id, point)
    taken: Counter[str] = Counter()
    scored: list[tuple[float, Found]] = []
    for point in sorted(found.values(), key=lambda point: -passages[point.id]):
        page = _page(point)
        scored.append((pages[page] * _NEXT_PASSAGE ** taken[page], point))
        taken[page] += 1
    # Stable, so that equal pages stay in the order of their passages.
    return sorted(scored, key=lambda entry: -entry[0])


def measure_coverage(wanted: Mapping[int, float], tokens: Iterable[int]) -> float:
    """Return which part of the wanted tokens, by their weight, is among `tokens`."""
    total = sum(wanted.values())
    if not total:
        return 0.0
    present = set(tokens)
    return sum(weight for token, weight in wanted.items() if token in present) / total


def _page(point: Found) -> str:
    return str(point.payload.get("page", ""))
