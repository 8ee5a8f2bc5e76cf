"""Keeps calls away from a part that is down, so that it costs milliseconds and not a timeout."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger("chatkit_server")


class BreakerOpenError(ConnectionError):
    """The part failed several times in a row, and is not asked for the moment."""


class Breaker:
    """Opens after `failures` outages in a row.

    Then calls are refused for `pause` seconds, after which one at a time is let through: it closes
    the breaker, or doubles the pause, up to `longest`.

    Args:
        name: Of the part, for the log.
        is_outage: Whether an error means that the part is down; any other shows that it works.
    """

    def __init__(
        self,
        name: str,
        is_outage: Callable[[Exception], bool],
        *,
        failures: int = 3,
        pause: float = 2.0,
        longest: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._is_outage = is_outage
        self._failures = failures
        self._shortest = pause
        self._longest = longest
        self._clock = clock
        self._failed = 0
        self._pause = pause
        self._refused_until: float | None = None
        self._trying = False

    @property
    def is_open(self) -> bool:
        """Whether calls are kept away, but for one at a time."""
        return self._refused_until is not None

    @contextmanager
    def call(self) -> Iterator[Callable[[], None]]:
        """Make one call; gives a function that says that the part works before the call ends.

        Raises:
            BreakerOpenError: at once, while the part is not to be asked.
        """
        trying = self.is_open
        if self._refused_until is not None:
            if self._trying or self._clock() < self._refused_until:
                raise BreakerOpenError(f"the {self._name} failed lately and is not asked now")
            self._trying = True
        try:
            yield self._works
        except Exception as error:
            if self._is_outage(error):
                self._fail(trying)
            else:
                self._close()
            raise
        else:
            self._close()
        finally:
            # A call that was cancelled says nothing; the next one tries.
            if trying:
                self._trying = False

    def _fail(self, trying: bool) -> None:
        self._failed += 1
        if trying:
            self._pause = min(self._pause * 2, self._longest)
        elif self.is_open or self._failed < self._failures:
            return
        else:
            logger.warning("the %s is down; it is asked now and then", self._name)
        self._refused_until = self._clock() + self._pause

    def _works(self) -> None:
        # Of no other call: one that always breaks off half way is to open the breaker.
        if self.is_open:
            self._close()

    def _close(self) -> None:
        if self.is_open:
            logger.warning("the %s works again", self._name)
        self._failed = 0
        self._pause = self._shortest
        self._refused_until = None
