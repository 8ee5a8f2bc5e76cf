"""What a process tells of itself to whoever watches it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from .tracing import span

if TYPE_CHECKING:
    from .turn import Turn

Step = Literal["search", "store"]
Ending = Literal["ok", "failed", "stopped"]


class Observer:
    """Hears what happens; this one keeps nothing of it."""

    def request_expected(self, route: str, method: str) -> None:
        """There is such a route, before anybody has asked it."""

    def request_ended(self, route: str, method: str, status: int) -> None: ...

    def turn_ended(self, turn: Turn) -> None: ...

    def step_ended(self, step: Step, seconds: float, ending: Ending) -> None: ...

    def call_ended(self, model: str, seconds: float, ending: Ending) -> None:
        """A call of a model."""

    def limited(self, limit: str) -> None:
        """A request was refused with 429."""

    def attached(self, kind: str, size: int) -> None:
        """A file was taken."""


@contextmanager
def observed(observer: Observer, step: Step, **attributes: int) -> Iterator[None]:
    """A step that is timed, and a span where there are traces."""
    started_at = time.perf_counter()
    ending: Ending = "ok"
    with span(step, attributes):
        try:
            yield
        except asyncio.CancelledError:
            ending = "stopped"
            raise
        except Exception:
            ending = "failed"
            raise
        finally:
            observer.step_ended(step, time.perf_counter() - started_at, ending)
