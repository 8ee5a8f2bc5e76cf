"""A breaker lets nobody wait for a part that is down, and finds out by itself when it is back."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from chatkit_server.breaker import Breaker, BreakerOpenError


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def is_outage(error: Exception) -> bool:
    return isinstance(error, ConnectionError)


def fail(breaker: Breaker, error: Exception) -> None:
    with pytest.raises(type(error)), breaker.call():
        raise error


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("part", is_outage, failures=3, pause=1.0, longest=4.0, clock=clock)


@pytest.fixture
def opened(breaker: Breaker) -> Breaker:
    for _ in range(3):
        fail(breaker, ConnectionRefusedError())
    assert breaker.is_open
    return breaker


def test_only_outages_in_a_row_open_it(breaker: Breaker) -> None:
    for _ in range(5):
        fail(breaker, ConnectionRefusedError())
        fail(breaker, ConnectionRefusedError())
        # The part answers: it refuses what it was asked, or does it.
        fail(breaker, ValueError())
        fail(breaker, ConnectionRefusedError())
        with breaker.call():
            pass
    assert not breaker.is_open


def test_an_open_one_refuses_without_a_call(opened: Breaker) -> None:
    with pytest.raises(BreakerOpenError, match="part"), opened.call():
        raise AssertionError("it was called")


def test_one_call_at_a_time_finds_out_whether_the_part_is_back(
    opened: Breaker, clock: Clock
) -> None:
    clock.now = 1.0
    with opened.call():
        with pytest.raises(BreakerOpenError), opened.call():
            raise AssertionError("it was called")
        assert opened.is_open

    assert not opened.is_open
    with opened.call(), opened.call():
        pass


def test_each_trial_that_fails_doubles_the_pause_up_to_the_longest(
    opened: Breaker, clock: Clock
) -> None:
    for pause in (1.0, 2.0, 4.0, 4.0):
        clock.now += pause - 0.01
        with pytest.raises(BreakerOpenError), opened.call():
            raise AssertionError("it was called")
        clock.now += 0.01
        fail(opened, ConnectionRefusedError())


def test_the_part_may_be_said_to_work_before_the_call_ends(opened: Breaker, clock: Clock) -> None:
    clock.now = 1.0
    with opened.call() as works:
        works()
        assert not opened.is_open
        with opened.call():
            pass


def test_a_cancelled_trial_leaves_the_next_one_to_try(opened: Breaker, clock: Clock) -> None:
    clock.now = 1.0
    with pytest.raises(asyncio.CancelledError), opened.call():
        raise asyncio.CancelledError
    assert opened.is_open

    with opened.call():
        pass
    assert not opened.is_open


def test_calls_that_were_under_way_do_not_lengthen_the_pause(
    breaker: Breaker, clock: Clock
) -> None:
    with breaker.call() as works:
        for _ in range(3):
            fail(breaker, ConnectionRefusedError())
        assert breaker.is_open
        # Begun before, and at its end the proof that the part is back.
        works()
    assert not breaker.is_open

    with contextlib.suppress(ConnectionRefusedError), breaker.call():
        for _ in range(3):
            fail(breaker, ConnectionRefusedError())
        clock.now = 0.9
        raise ConnectionRefusedError
    clock.now = 1.0
    with breaker.call():
        pass
    assert not breaker.is_open
