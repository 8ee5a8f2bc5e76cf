"""What tokens cost, as far as the settings say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_ANY = "*"
_MILLION = 1_000_000


class TokenPrice(NamedTuple):
    """Of a million tokens, in whatever currency the operator counts."""

    input: float
    output: float


def read_prices(text: str) -> dict[str, TokenPrice]:
    """Read `MODEL=INPUT/OUTPUT`, several by commas.

    Raises:
        ValueError: it is written otherwise.
    """
    prices = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        model, _, price = part.rpartition("=")
        asked, _, written = price.partition("/")
        try:
            found = TokenPrice(float(asked), float(written))
        except ValueError:
            found = None
        if not model.strip() or found is None or not 0 <= min(found) <= max(found) < _MILLION:
            raise ValueError(f"{part!r} is no price; write it like gpt-5.1=1.25/10")
        prices[model.strip()] = found
    return prices


def cost(
    prices: Mapping[str, TokenPrice], model: str, input_tokens: int, output_tokens: int
) -> float | None:
    """What these tokens cost; None for a model without a price."""
    price = prices.get(model) or prices.get(_ANY)
    if price is None:
        return None
    return (input_tokens * price.input + output_tokens * price.output) / _MILLION
