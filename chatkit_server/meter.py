"""Counts the tokens of a turn, also where a provider does not say how many they were."""

from __future__ import annotations

from collections.abc import Sequence

from agents import ModelResponse, TResponseInputItem

from .history import estimate_tokens


class Meter:
    """Follows the calls of the model in one run.

    A call that has no usage, or was stopped before its end, is estimated: its provider has read
    the input all the same, and wrote at least what was sent on.
    """

    def __init__(self) -> None:
        self.input_tokens = 0
        self.output_tokens = 0
        self._asked: int | None = None
        self._written = 0

    @property
    def total(self) -> int:
        return self.input_tokens + self.output_tokens

    def begin(self, instructions: str | None, items: Sequence[TResponseInputItem]) -> None:
        """The model is called."""
        asked: list[TResponseInputItem] = [{"role": "system", "content": instructions or ""}]
        self._asked = sum(map(estimate_tokens, [*asked, *items]))
        self._written = 0

    def write(self, delta: str) -> None:
        """Some of the answer has come."""
        self._written += len(delta.encode()) // 3 + 1

    def end(self, response: ModelResponse) -> None:
        """The call has ended by itself."""
        usage = response.usage
        if usage.total_tokens:
            self.input_tokens += usage.input_tokens
            self.output_tokens += usage.output_tokens
        else:
            self.input_tokens += self._asked or 0
            self.output_tokens += sum(map(estimate_tokens, response.to_input_items()))
        self._asked = None

    def cut(self, *, stopped: bool) -> None:
        """The run is over; a call that has not ended was stopped by us, or has failed."""
        if self._asked is not None and (stopped or self._written):
            self.input_tokens += self._asked
            self.output_tokens += self._written
        self._asked = None
