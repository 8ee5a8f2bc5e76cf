"""Finds out whether stored vectors are of the embedding model that is set."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from chatkit_tools.embeddings import Embeddings

# One model gives nearly the same for a text and for the text below its title. Vectors of two
# models have nothing to do with each other, and are near to a right angle.
_SAME = 0.6
_OTHER = 0.35
SAMPLES = 6
_MIN_CHARS = 20


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """How near the stored vectors of some texts are to those that the model gives them."""

    model: str
    stored_size: int
    size: int
    cosines: tuple[float, ...] = ()

    @property
    def verdict(self) -> Literal["same", "unclear", "other"]:
        """Whether the vectors are of this model."""
        if self.size != self.stored_size:
            return "other"
        middle = median(self.cosines)
        if middle >= _SAME:
            return "same"
        return "other" if middle < _OTHER and max(self.cosines) < _SAME else "unclear"

    def explain(self, name: str) -> str:
        """Say what was found, in a sentence about the collection of that name."""
        if self.size != self.stored_size:
            return (
                f"the collection {name!r} holds dense vectors of {self.stored_size} numbers, and"
                f" the embedding model {self.model!r} gives {self.size}"
            )
        middle = f"{median(self.cosines):.2f}"
        count = len(self.cosines)
        if self.verdict == "same":
            return (
                f"{self.model!r} gives the stored vectors again for {count} texts of the"
                f" collection {name!r} (median cosine {middle})"
            )
        if self.verdict == "other":
            return (
                f"the vectors of the collection {name!r} are of another embedding model than"
                f" {self.model!r}: for {count} of its texts that gives vectors with a median"
                f" cosine of {middle} to the stored ones, where one model gives nearly 1"
            )
        return (
            f"it is not clear whether {self.model!r} made the vectors of the collection {name!r}:"
            f" for {count} of its texts the median cosine to the stored ones is {middle}; perhaps"
            " they were made of more than the text, or with a prefix"
        )


async def compare(
    samples: Sequence[tuple[str, Sequence[float]]], embeddings: Embeddings
) -> ModelCheck | None:
    """Embed texts again and compare; None where there is no text to compare by."""
    usable = [
        (text, vector) for text, vector in samples if len(text) >= _MIN_CHARS and any(vector)
    ][:SAMPLES]
    if not usable:
        return None
    vectors = await embeddings.embed([text for text, _ in usable])
    stored_size, size = len(usable[0][1]), len(vectors[0])
    if stored_size != size:
        return ModelCheck(embeddings.model, stored_size, size)
    cosines = tuple(
        _cosine(stored, vector) for (_, stored), vector in zip(usable, vectors, strict=True)
    )
    return ModelCheck(embeddings.model, stored_size, size, cosines)


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    length = math.hypot(*one) * math.hypot(*other)
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product / length if length else 0.0
