"""Keeps the metrics of a running server, where the settings ask for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .background import beside
from .exposition import is_served_above, serve_metrics
from .observer import Observer
from .parts import Parts
from .rates import Rates
from .settings import Settings

if TYPE_CHECKING:
    from .journal import Journal
    from .metrics import PoolState


@dataclass(frozen=True, slots=True)
class ProcessState:
    """What the parts of this process know without asking anybody."""

    parts: Parts
    rates: Rates

    @property
    def breakers(self) -> dict[str, bool]:
        states = {
            "database": self.parts.store.is_away,
            "search": self.parts.search.breaker.is_open,
            "embedding": self.parts.passages.goes_by_words,
            **self.parts.server.answerer.breakers,
        }
        redis = self.rates.redis_is_away
        return states if redis is None else {**states, "redis": redis}

    @property
    def pool(self) -> PoolState:
        return self.parts.store.pool_state

    @property
    def journal(self) -> Journal | None:
        return self.parts.journal

    @property
    def leases(self) -> int:
        return self.parts.server.leases

    @property
    def running(self) -> int:
        from .response import RUNNING

        return len(RUNNING)


def make_observer(settings: Settings) -> Observer:
    """One that counts, where somebody will ask for the numbers."""
    if settings.metrics_port is None:
        return Observer()
    from .metrics import Metrics

    return Metrics(settings.token_prices)


@asynccontextmanager
async def watched(
    settings: Settings, observer: Observer, state: ProcessState
) -> AsyncIterator[None]:
    """Serve the metrics until the block ends; a worker leaves that to the process above it."""
    if settings.metrics_port is None:
        yield
        return
    from .metrics import Metrics

    assert isinstance(observer, Metrics)  # noqa: S101
    served = nullcontext() if is_served_above() else serve_metrics(settings, observer.registry)
    with served:
        async with beside(observer.keep_sampling(state)):
            yield
