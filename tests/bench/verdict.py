"""Fits the weights of `chatkit_tools/verdict.py`, and says how far they can be trusted.

    python tests/bench/retrieval.py --corpora DIR --save FILE
    python tests/bench/verdict.py FILE [--weight 0.02]

Prints the weights that fit best; AUC and refusals as they are fitted, with one part of seven left
out at a time, with one corpus left out at a time; and what would become of questions about another
product.
"""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chatkit_tools.evaluation import auc

# Of the weights, in units of the spread of a figure: as good as no word against a clear sign, and
# enough against signs that fourteen questions only seem to give.
_PENALTY = 1.0
_PARTS = 7
_ROUNDS = 10
_MAY_REFUSE = 2

Rows = list[dict[str, Any]]
Numbers = NDArray[np.float64]


def read_figures(rows: Rows) -> Numbers:
    """Return the figures of each row, those that there are."""
    hybrid = all(row["relatedness"] is not None for row in rows)
    return np.array(
        [
            [row["coverage"], math.log1p(row["words"]), *([row["relatedness"]] if hybrid else [])]
            for row in rows
        ]
    )


def fit(rows: Rows, weight: float) -> Numbers:
    """Return intercept and weights of a logistic regression, by Newton's method."""
    figures = read_figures(rows)
    mean, spread = figures.mean(0), figures.std(0)
    scaled = np.c_[np.ones(len(rows)), (figures - mean) / spread]
    wanted = np.array([float(row["answerable"]) for row in rows])
    counts = np.array([1.0 if row["own"] else weight for row in rows])
    penalty = np.diag([0.0, *[_PENALTY] * len(spread)])
    weights = np.zeros(scaled.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-scaled @ weights))
        slope = scaled.T @ (counts * (wanted - chance)) - penalty @ weights
        bend = (scaled.T * (counts * chance * (1 - chance))) @ scaled + penalty
        weights = weights + np.linalg.solve(bend, slope)
    found: Numbers = np.r_[weights[0] - (weights[1:] * mean / spread).sum(), weights[1:] / spread]
    return found


def predict(rows: Rows, weights: Numbers) -> list[float]:
    """Return the chance of each row."""
    figures = np.c_[np.ones(len(rows)), read_figures(rows)]
    chances: list[float] = (1 / (1 + np.exp(-figures @ weights))).tolist()
    return chances


def describe(name: str, rows: Rows, chances: Sequence[float]) -> str:
    """Return AUC and refusals of the corpora's own questions."""
    judged = [(row["answerable"], chance) for row, chance in zip(rows, chances, strict=True)]
    yes = sorted(chance for answerable, chance in judged if answerable)
    no = [chance for answerable, chance in judged if not answerable]
    refused = sum(chance < yes[_MAY_REFUSE] for chance in no)
    return (
        f"{name:26} AUC {auc(yes, no):.3f}   {refused} of {len(no)} refused with {_MAY_REFUSE}"
        f" of {len(yes)} lost, below {yes[_MAY_REFUSE]:.3f}"
    )


def leave_out(rows: Rows, groups: Sequence[Any], weight: float) -> list[float]:
    """Return the chance of each row, by weights that were fitted without its group.

    Rows of no group are in every fit.
    """
    chances = [0.0] * len(rows)
    for group in sorted({group for group in groups if group is not None}):
        weights = fit([row for row, of in zip(rows, groups, strict=True) if of != group], weight)
        for number, of in enumerate(groups):
            if of == group:
                (chances[number],) = predict([rows[number]], weights)
    return chances


def main() -> None:
    """Fit, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--weight", type=float, default=0.02, help="of a question about another product"
    )
    options = parser.parse_args()
    rows: Rows = [json.loads(line) for line in options.file.read_text().splitlines()]
    own = [row for row in rows if row["own"]]
    other = [row for row in rows if not row["own"]]
    weights = fit(rows, options.weight)
    print("intercept and weights", *(f"{weight:.2f}" for weight in weights))
    chances = predict(own, weights)
    print(describe("as fitted", own, chances))
    for corpus in sorted({row["corpus"] for row in own}):
        part = [
            (row, chance)
            for row, chance in zip(own, chances, strict=True)
            if row["corpus"] == corpus
        ]
        print(describe(f"  {corpus}", [row for row, _ in part], [chance for _, chance in part]))

    aucs: list[float] = []
    for seed in range(_ROUNDS):
        parts = [number % _PARTS for number in range(len(own))]
        Random(seed).shuffle(parts)
        left_out = leave_out([*own, *other], [*parts, *[None] * len(other)], options.weight)
        left_out = left_out[: len(own)]
        aucs.append(
            auc(
                [chance for row, chance in zip(own, left_out, strict=True) if row["answerable"]],
                [
                    chance
                    for row, chance in zip(own, left_out, strict=True)
                    if not row["answerable"]
                ],
            )
        )
        if not seed:
            print(describe("one part of seven left out", own, left_out))
    print(f"{'':26} AUC {fmean(aucs):.3f}, the mean of {_ROUNDS} divisions")
    corpora = [row["corpus"] for row in rows]
    by_corpus = [
        chance
        for row, chance in zip(rows, leave_out(rows, corpora, options.weight), strict=True)
        if row["own"]
    ]
    print(describe("one corpus left out", own, by_corpus))
    threshold = sorted(
        chance for row, chance in zip(own, chances, strict=True) if row["answerable"]
    )[_MAY_REFUSE]
    refused = fmean(chance < threshold for chance in predict(other, weights))
    print(f"questions about another product: {refused:.0%} of {len(other)} refused")


if __name__ == "__main__":
    main()
