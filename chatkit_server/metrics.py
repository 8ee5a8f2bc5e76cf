"""Numbers for Prometheus. Labels name parts, outcomes and models: never users, threads or pages."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, get_args

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from . import __version__
from .observer import Ending, Observer, Step
from .prices import TokenPrice, cost
from .turn import Outcome, Turn

SAMPLED_EVERY = 5.0
"""Seconds between two looks at what only has a state."""
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_TURN = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300)
_TOKEN = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 60)
_CALL = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300)
_SEARCH = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 5)
_STORE = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


class PoolState(Protocol):
    """Connections to the database."""

    @property
    def size(self) -> int: ...
    @property
    def idle(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def most(self) -> int: ...


class JournalState(Protocol):
    @property
    def entries(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def rejected(self) -> int: ...
    @property
    def oldest(self) -> float | None: ...


class State(Protocol):
    """What a process can be asked at any time, without a call to anything."""

    @property
    def breakers(self) -> Mapping[str, bool]:
        """Whether each is open, by the name of its part."""

    @property
    def pool(self) -> PoolState: ...
    @property
    def journal(self) -> JournalState | None: ...
    @property
    def leases(self) -> int: ...
    @property
    def running(self) -> int: ...


class Metrics(Observer):
    """All metrics of one process, in a registry of their own.

    With several workers each writes into files, which the process above them adds up: therefore
    states are looked at now and then, and not when somebody asks.
    """

    def __init__(self, prices: Mapping[str, TokenPrice] | None = None) -> None:
        self.registry = CollectorRegistry()
        self._prices = prices or {}
        self._rejected = 0
        self._info = self._gauge("info", "The running version; always 1", "version", most=True)
        self._requests = self._counter("requests", "HTTP requests", "route", "method", "status")
        self._turns = self._counter("turns", "Turns that have ended", "kind", "outcome")
        self._answers = self._counter(
            "answers", "Answers by who wrote them: a model's name, `quotes`, `none`", "by"
        )
        self._fallbacks = self._counter(
            "fallbacks", "Answers that quoted the docs because the model failed"
        )
        self._questions = self._counter(
            "questions", "Questions by whether the docs cover them: yes, no, unknown", "covered"
        )
        self._unsaved = self._counter("unsaved_turns", "Turns of which something was not stored")
        self._turn = self._histogram("turn", "A whole turn", _TURN, "outcome")
        self._first = self._histogram(
            "first_token", "From the request to the first words of the answer", _TOKEN
        )
        self._call = self._histogram("model_call", "A call of a model", _CALL, "model", "outcome")
        self._search = self._histogram("search", "A search in the docs", _SEARCH, "outcome")
        self._store = self._histogram(
            "store", "A round trip to the database, without the wait for a connection", _STORE,
            "outcome",
        )  # fmt: skip
        self._tokens = self._counter("tokens", "Tokens of a model", "model", "direction")
        self._cost = self._counter("cost", "What tokens cost by CHATKIT_TOKEN_PRICES", "model")
        self._limited = self._counter("rate_limited", "Requests refused with 429", "limit")
        self._files = self._counter("attachments", "Files that were taken", "type")
        self._bytes = self._counter("attachment_bytes", "Bytes of files that were taken")
        self._running = self._gauge("running_turns", "Turns that run now")
        self._leases = self._gauge("leases", "Threads that are held by turns now")
        self._breakers = self._gauge(
            "breaker_open", "1 while a part that failed is not asked", "part", most=True
        )
        self._pool_size = self._gauge("pool_connections", "Connections to the database, by state: "
                                      "idle, used", "state")  # fmt: skip
        self._pool_most = self._gauge("pool_limit", "Connections that the pool may have")
        self._waiting = self._gauge("pool_waiting", "Calls that wait for a connection")
        self._entries = self._gauge("journal_entries", "Entries that wait for the database")
        self._size = self._gauge("journal_bytes", "Bytes of the journal")
        self._oldest = self._gauge(
            "journal_oldest_seconds", "Age of the oldest entry; 0 without one", most=True
        )
        self._dropped = self._counter("journal_dropped", "Entries that were given up")
        self._lag = self._gauge(
            "loop_lag_seconds", "How late the event loop was at the last look", most=True
        )
        self._memory = self._gauge("memory_bytes", "Memory of the process, resident")
        self._info.labels(__version__).set(1)
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """Show what has not happened yet: a series that begins with its first case never rises."""
        for kind in ("threads.create", "threads.add_user_message", "threads.retry_after_item"):
            for outcome in get_args(Outcome):
                self._turns.labels(kind, outcome)
        for covered in ("yes", "no", "unknown"):
            self._questions.labels(covered)
        for limit in ("address_requests", "visitor_requests", "address_messages",
                      "visitor_messages", "visitor_exports"):  # fmt: skip
            self._limited.labels(limit)
        for ending in get_args(Ending):
            self._search.labels(ending)
            self._store.labels(ending)

    def _counter(self, name: str, says: str, *labels: str) -> Counter:
        return Counter(f"chatkit_{name}", says, labels, registry=self.registry)

    def _histogram(
        self, name: str, says: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(
            f"chatkit_{name}_seconds", says, labels, buckets=buckets, registry=self.registry
        )

    def _gauge(self, name: str, says: str, *labels: str, most: bool = False) -> Gauge:
        """Of several workers the sum counts, or the one that has most."""
        return Gauge(
            f"chatkit_{name}",
            says,
            labels,
            registry=self.registry,
            multiprocess_mode="livemax" if most else "livesum",
        )

    def request_expected(self, route: str, method: str) -> None:
        self._requests.labels(route, method, 500)

    def request_ended(self, route: str, method: str, status: int) -> None:
        self._requests.labels(route, method if method in _METHODS else "other", status).inc()

    def turn_ended(self, turn: Turn) -> None:
        self._turns.labels(turn.kind, turn.outcome).inc()
        self._turn.labels(turn.outcome).observe(turn.at("end") or 0.0)
        if (first := turn.at("first_delta")) is not None:
            self._first.observe(first)
        if turn.thread_id is not None:
            self._answers.labels(turn.answered_by or "none").inc()
        self._fallbacks.inc(turn.counted("fallbacks"))
        if turn.inquiry is not None:
            covered = {True: "yes", False: "no", None: "unknown"}[turn.inquiry.covered]
            self._questions.labels(covered).inc()
        if turn.spoilt or (turn.away and not turn.kept):
            self._unsaved.inc()
        for model, (asked, written) in turn.usage.items():
            self._tokens.labels(model, "input").inc(asked)
            self._tokens.labels(model, "output").inc(written)
            self._cost.labels(model).inc(cost(self._prices, model, asked, written) or 0.0)

    def step_ended(self, step: Step, seconds: float, ending: Ending) -> None:
        histogram = self._search if step == "search" else self._store
        histogram.labels(ending).observe(seconds)

    def call_ended(self, model: str, seconds: float, ending: Ending) -> None:
        for each in get_args(Ending):
            self._call.labels(model, each)
        self._call.labels(model, ending).observe(seconds)

    def limited(self, limit: str) -> None:
        self._limited.labels(limit).inc()

    def attached(self, kind: str, size: int) -> None:
        self._files.labels(kind).inc()
        self._bytes.inc(size)

    def sample(self, state: State) -> None:
        """Look at what has a state."""
        self._running.set(state.running)
        self._leases.set(state.leases)
        for part, is_open in state.breakers.items():
            self._breakers.labels(part).set(is_open)
        pool = state.pool
        self._pool_size.labels("idle").set(pool.idle)
        self._pool_size.labels("used").set(pool.size - pool.idle)
        self._pool_most.set(pool.most)
        self._waiting.set(pool.waiting)
        if (journal := state.journal) is not None:
            oldest = journal.oldest
            self._entries.set(journal.entries)
            self._size.set(journal.size)
            self._oldest.set(0.0 if oldest is None else max(0.0, time.time() - oldest))
            self._dropped.inc(journal.rejected - self._rejected)
            self._rejected = journal.rejected
        if (memory := _resident()) is not None:
            self._memory.set(memory)

    async def keep_sampling(self, state: State) -> None:
        """Look again and again; ends when cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self.sample(state)
            due = loop.time() + SAMPLED_EVERY
            await asyncio.sleep(SAMPLED_EVERY)
            self._lag.set(max(0.0, loop.time() - due))


def _resident() -> int | None:
    """Bytes of this process in memory, where the system tells."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        import resource

        return pages * resource.getpagesize()
    return None
