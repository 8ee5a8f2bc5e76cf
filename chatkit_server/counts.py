"""Counts in windows of time: in Redis for all replicas, or in the memory of this process."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, Self

from limits import RateLimitItem
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from .breaker import Breaker, BreakerOpenError
from .errors import SettingsError


class Hit(NamedTuple):
    """One more of something, against one limit."""

    item: RateLimitItem
    name: str
    who: str


class Counts:
    """Counts hits in Redis, and in memory while there is none or it is down."""

    def __init__(self, shared: RedisStorage | None) -> None:
        self._memory = Memory()
        self._shared = SlidingWindowCounterRateLimiter(shared) if shared is not None else None
        self._breaker = Breaker("Redis for the limits", _is_outage, failures=1, longest=15.0)

    @property
    def shared_is_away(self) -> bool | None:
        """Whether Redis is left in peace; None where there is none."""
        return self._breaker.is_open if self._shared is not None else None

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str | None) -> AsyncIterator[Self]:
        if url is None:
            yield cls(None)
            return
        async with _redis(url) as shared:
            yield cls(shared)

    async def count(self, hits: Sequence[Hit]) -> float | None:
        """Count each; None where all are allowed, else the seconds until the next one is.

        Of hits that stand together the shortest window should come first: in memory, what it
        refuses is not counted in the others. In Redis all are counted, to wait for it once.
        """
        if self._shared is not None and hits:
            with contextlib.suppress(StorageError, BreakerOpenError), self._breaker.call():
                waits = await asyncio.gather(*(_hit(self._shared, hit) for hit in hits))
                return max((wait for wait in waits if wait is not None), default=None)
        for hit in hits:
            wait = self._memory.hit(hit.item, (hit.name, hit.who))
            if wait is not None:
                return wait
        return None


def _is_outage(error: Exception) -> bool:
    return isinstance(error, StorageError)


async def _hit(limiter: SlidingWindowCounterRateLimiter, hit: Hit) -> float | None:
    if await limiter.hit(hit.item, hit.name, hit.who):
        return None
    stats = await limiter.get_window_stats(hit.item, hit.name, hit.who)
    return stats.reset_time - time.time()


class Memory:
    """Counts of this process, in constant time and in bounded memory.

    A sliding window counter, as in Redis: of the window before, as much counts as the last `period`
    seconds still hold of it. The storage of `limits` looks at all its keys after each hit, which
    with 30,000 of them takes milliseconds.
    """

    def __init__(self, *, longest: int = 100_000) -> None:
        self._longest = longest
        # Key to number and length of its last window, and the hits in the one before and in it.
        self._windows: OrderedDict[tuple[int, str, str], tuple[int, int, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    def hit(self, item: RateLimitItem, key: tuple[str, str]) -> float | None:
        """Count one; the seconds to wait where that is one too many, else None."""
        now = time.monotonic()
        period, most = item.get_expiry(), item.amount
        number, past = int(now // period), now % period
        place = (period, *key)
        last, previous, current = self._windows.pop(place, (number, 0, 0))
        if last != number:
            previous, current = current if last == number - 1 else 0, 0
        wait = None
        if previous * (1 - past / period) + current + 1 <= most:
            current += 1
        elif current + 1 <= most:
            wait = period * (1 - (most - 1 - current) / previous) - past
        else:
            wait = period * (1 - (most - 1) / current) + period - past
        self._windows[place] = (number, previous, current)
        self._tidy(now)
        return wait

    def _tidy(self, now: float) -> None:
        """Look at the two keys that were not looked at for longest: no pause is ever long."""
        for _ in range(2):
            place, window = self._windows.popitem(last=False)
            period = place[0]
            if window[0] >= now // period - 1 and len(self._windows) < self._longest:
                self._windows[place] = window


@asynccontextmanager
async def _redis(url: str) -> AsyncIterator[RedisStorage]:
    try:
        from redis.asyncio import BlockingConnectionPool
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import ConnectionError as RedisConnectionError
    except ImportError:
        raise SettingsError(
            "REDIS_URL is set, but there is no client for it; "
            "install it with pip install 'chatkit-server[redis]', or unset REDIS_URL"
        ) from None
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=50,
            timeout=1.0,
            socket_timeout=0.5,
            socket_connect_timeout=1.0,
            # Once, for a connection that was closed while nobody used it.
            retry=Retry(NoBackoff(), 1, (RedisConnectionError,)),
        )
    except ValueError:
        raise SettingsError(
            "REDIS_URL is wrong: it should look like redis://:password@host:6379/0"
        ) from None
    try:
        yield RedisStorage(
            "async+redis://",
            wrap_exceptions=True,
            implementation="redispy",
            key_prefix="chatkit",
            connection_pool=pool,  # type: ignore[arg-type]
        )
    finally:
        await pool.aclose()
