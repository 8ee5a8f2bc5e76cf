"""Who asks too often gets 429 and the time to wait, before anything is done for them."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import pytest
from limits import parse
from starlette.requests import Request

from chatkit_server.counts import Counts, Hit, Memory
from chatkit_server.rates import Rates, address_of
from chatkit_server.settings import read_settings
from tests.fixtures.app import Client, StartServer, message
from tests.fixtures.flights import Flights
from tests.fixtures.redis import RedisServer

QUESTION = "How do I connect to Neon?"


def refused(response: httpx.Response) -> bool:
    """Whether it is a complete refusal in the protocol's form."""
    if response.status_code != 429:
        assert response.status_code == 200, response.text
        return False
    error = response.json()["error"]
    assert error["code"] == "rate_limited"
    assert "Try again in " in error["message"]
    assert int(response.headers["retry-after"]) >= 1
    return True


def ask(client: Client, **options: Any) -> httpx.Response:
    body = {"type": "threads.create", "params": {"input": message(QUESTION)}}
    return client.send(body, **options)


def test_a_visitor_who_asks_too_often_is_refused_and_may_still_read(
    start_server: StartServer,
) -> None:
    origin = "https://docs.acme.io"
    with start_server(visitor_messages="2/hour", allowed_origins=(origin,)) as url:
        ada, bob = Client(url), Client(url)
        answers = [ask(ada, headers={"Origin": origin}) for _ in range(3)]

        assert [refused(answer) for answer in answers] == [False, False, True]
        assert 1700 < int(answers[2].headers["retry-after"]) <= 7200
        assert answers[2].headers["access-control-allow-origin"] == origin
        exposed = answers[2].headers["access-control-expose-headers"].split(", ")
        assert {"Retry-After", "X-Chatkit-Keep-Alive"} <= set(exposed)
        assert len(ada.threads()) == 2
        assert not refused(ask(bob))


async def test_a_refusal_costs_no_round_trip_to_the_database(
    start_server: StartServer, database_url: str
) -> None:
    async with Flights.to(database_url, delay=0) as flights:

        def count() -> int:
            with start_server(database_url=flights.dsn, address_messages="1/hour") as url:
                assert not refused(ask(Client(url)))
                flights.reset()
                assert refused(ask(Client(url)))
                return flights.count

        assert await asyncio.to_thread(count) == 0


def test_a_new_secret_does_not_help_against_the_limit_of_the_address(
    start_server: StartServer,
) -> None:
    with start_server(address_messages="3/hour") as url:
        answers = [refused(ask(Client(url))) for _ in range(5)]

    assert answers == [False] * 3 + [True] * 2


def test_guessing_secrets_and_tokens_is_limited_by_address(start_server: StartServer) -> None:
    with start_server(address_requests="3/hour") as url:
        statuses = [Client(url, "weak").post("threads.list").status_code for _ in range(5)]
        healthy = httpx.get(f"{url}/healthz").status_code

    assert statuses == [401] * 3 + [429] * 2
    assert healthy == 200


def test_requests_of_any_kind_are_limited_by_visitor(start_server: StartServer) -> None:
    with start_server(visitor_requests="3/hour") as url:
        ada, bob = Client(url), Client(url)
        answers = [refused(ada.post("threads.list")) for _ in range(5)]

        assert answers == [False] * 3 + [True] * 2
        assert not refused(bob.post("threads.list"))


def test_limits_can_be_switched_off(start_server: StartServer) -> None:
    off = {"visitor_messages": "off", "address_messages": "off"}
    with start_server(**off, visitor_requests="off", address_requests="off") as url:
        ada = Client(url)
        assert not any(refused(ask(ada)) for _ in range(25))


def test_what_a_visitor_asks_in_vain_does_not_count_for_their_address(
    start_server: StartServer,
) -> None:
    with start_server(visitor_messages="1/hour", address_messages="2/hour") as url:
        ada, bob = Client(url), Client(url)
        assert [refused(ask(ada)) for _ in range(4)] == [False, True, True, True]
        assert not refused(ask(bob))


def test_retry_after_is_kept(start_server: StartServer) -> None:
    with start_server(visitor_requests="1/3 seconds") as url:
        ada = Client(url)
        while not refused(last := ada.post("threads.list")):
            pass
        due = time.monotonic() + int(last.headers["retry-after"])
        sent_at = time.monotonic()
        while refused(ada.post("threads.list")):
            assert sent_at < due
            sent_at = time.monotonic()


@pytest.mark.parametrize("item", ["3/second", "2/second", "1/second"])
def test_memory_allows_again_when_it_has_said_so(item: str) -> None:
    memory, limit = Memory(), parse(item)
    # Each hit that was allowed: a time before it, and one after it.
    allowed: list[tuple[float, float]] = []

    def hit() -> float | None:
        before = time.monotonic()
        wait = memory.hit(limit, ("x", "ada"))
        if wait is None:
            allowed.append((before, time.monotonic()))
        return wait

    assert hit() is None
    while len(allowed) < 3 * limit.amount:
        wait = hit()
        if wait is None:
            continue
        assert 0 < wait <= 2 * limit.get_expiry()
        due = time.monotonic() + wait + 0.001
        while time.monotonic() < due:
            pass
        assert hit() is None

    # Not twice as many at the edge of two windows, as fixed windows would allow.
    period = limit.get_expiry()
    for first, (start, _) in enumerate(allowed):
        within = [after for _, after in allowed[first:] if after < start + period]
        assert len(within) <= max(1, 2 * limit.amount - 1)


def test_memory_is_bounded() -> None:
    memory = Memory(longest=100)
    for number in range(1000):
        assert memory.hit(parse("1/hour"), ("x", str(number))) is None

    assert len(memory) <= 100
    assert memory.hit(parse("1/hour"), ("x", "999")) is not None


def test_memory_forgets_what_is_over() -> None:
    memory = Memory()
    for number in range(1000):
        memory.hit(parse("1/second"), ("x", str(number)))
    give_up = time.monotonic() + 60
    while len(memory) > 1:
        memory.hit(parse("1000000000/hour"), ("y", "ada"))
        assert time.monotonic() < give_up


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::1", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("fe80::1%eth0", "fe80::"),
        ("unknown", "unknown"),
        ("", "unknown"),
        ("203.0.113.9\u0000", "unknown"),
    ],
)
def test_an_address_is_counted_as(host: str, counted: str) -> None:
    assert address_of(host) == counted


def from_address(client: Client, forwarded: str) -> bool:
    return refused(ask(client, headers={"X-Forwarded-For": forwarded}))


def test_a_forged_forwarded_header_is_ignored(
    start_server: StartServer, caplog: pytest.LogCaptureFixture
) -> None:
    with start_server(address_messages="2/hour") as url:
        answers = [from_address(Client(url), f"203.0.113.{n}") for n in range(4)]

    assert answers == [False, False, True, True]
    said = [r for r in caplog.records if "CHATKIT_TRUSTED_PROXIES" in r.getMessage()]
    assert len(said) == 1
    assert "127.0.0.1" in said[0].getMessage()


def test_behind_a_trusted_proxy_each_reader_has_an_address(start_server: StartServer) -> None:
    with start_server(address_messages="1/hour", trusted_proxies=("127.0.0.0/8",)) as url:
        assert not from_address(Client(url), "203.0.113.1")
        assert not from_address(Client(url), "203.0.113.2")
        # What the reader sent stands on the left, what the proxy saw on the right.
        assert from_address(Client(url), "198.51.100.7, 203.0.113.1")
        # With its port, as some proxies write it, and through a second proxy.
        assert from_address(Client(url), "203.0.113.1:50123, 127.0.0.9")
        assert not from_address(Client(url), "2001:db8:1:2::1")
        assert from_address(Client(url), "2001:db8:1:2:ffff::1")
        # The proxy itself, which sent no header.
        assert not refused(ask(Client(url)))
        assert refused(ask(Client(url)))


def test_a_proxy_that_is_not_named_is_not_trusted(start_server: StartServer) -> None:
    with start_server(address_messages="1/hour", trusted_proxies=("10.0.0.0/8",)) as url:
        assert not from_address(Client(url), "203.0.113.1")
        assert from_address(Client(url), "203.0.113.2")


def test_nonsense_in_the_header_shares_one_address(start_server: StartServer) -> None:
    with start_server(address_messages="1/hour", trusted_proxies=("127.0.0.1",)) as url:
        assert not from_address(Client(url), "unknown")
        assert from_address(Client(url), "_hidden, \x7f[::")


def patient(server: RedisServer) -> str:
    """Its address for a server that goes on waiting where a busy machine takes its time."""
    return f"{server.url}?socket_timeout=60&socket_connect_timeout=60"


def test_servers_share_their_counts_in_redis(
    start_server: StartServer, redis_server: RedisServer
) -> None:
    values = {"redis_url": patient(redis_server), "visitor_messages": "3/hour"}
    with start_server(**values) as one, start_server(**values) as two:
        ada = Client(one)
        same = Client(two, ada.secret)

        answers = [ask(client) for client in (ada, same, ada, same, ada)]

        assert [refused(answer) for answer in answers] == [False] * 3 + [True] * 2
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 3600
        assert not refused(ask(Client(two)))


def test_without_redis_two_servers_allow_twice_as_much(start_server: StartServer) -> None:
    values = {"visitor_messages": "2/hour"}
    with start_server(**values) as one, start_server(**values) as two:
        ada = Client(one)
        same = Client(two, ada.secret)

        answers = [refused(ask(client)) for client in (ada, same) * 3]

    assert answers == [False] * 4 + [True] * 2


def test_without_redis_each_process_counts_by_itself(
    start_server: StartServer, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    redis_server.stop()
    with start_server(redis_url=redis_server.url, visitor_messages="2/hour") as url:
        ada = Client(url)
        answers = [refused(ask(ada)) for _ in range(3)]

    assert answers == [False, False, True]
    said = [
        r.getMessage() for r in caplog.records if "Redis for the limits is down" in r.getMessage()
    ]
    assert len(said) == 1


def test_redis_is_used_again_when_it_is_back(
    start_server: StartServer, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    redis_server.stop()
    caplog.set_level(logging.WARNING)
    counted = {"visitor_messages": "1/hour", "visitor_requests": "100000/hour"}
    with start_server(redis_url=patient(redis_server), **counted) as url:
        ada = Client(url)
        assert not refused(ask(ada))
        assert refused(ask(ada))
        redis_server.start()
        give_up = time.monotonic() + 120
        while "Redis for the limits works again" not in caplog.text:
            assert time.monotonic() < give_up
            ada.post("threads.list")

        # It knows nothing of what was counted meanwhile.
        assert not refused(ask(ada))
        assert refused(ask(ada))


def test_with_a_redis_that_hangs_readers_are_answered(
    start_server: StartServer, redis_server: RedisServer
) -> None:
    with start_server(redis_url=redis_server.url, visitor_requests="240/minute") as url:
        ada = Client(url)
        assert not refused(ada.post("threads.list"))
        redis_server.freeze()
        assert not any(refused(ada.post("threads.list")) for _ in range(6))


async def test_a_redis_that_hangs_costs_one_request_a_moment(redis_server: RedisServer) -> None:
    hits = [Hit(parse("100000/hour"), "x", "ada")]
    async with Counts.open(redis_server.url) as counts:
        assert await counts.count(hits) is None
        redis_server.freeze()
        began = time.monotonic()
        for _ in range(500):
            assert await counts.count(hits) is None
        took = time.monotonic() - began

        assert counts.shared_is_away
    # Else each would wait for half a second.
    assert took < 200


async def test_counting_in_memory_takes_as_long_for_many_as_for_few(tmp_path: Path) -> None:
    """What a question costs: all limits, once 20,000 other visitors are counted."""
    settings = read_settings({"data_dir": tmp_path, "address_requests": "1000000/minute"})

    async def identity(request: Request) -> str:
        return request.headers["x-session-id"]

    async with Rates.open(settings) as rates:
        guarded = rates.guard(identity)

        async def ask(number: int) -> None:
            asker = Request(
                {
                    "type": "http",
                    "client": (f"10.{number % 250}.{number // 250}.1", 1),
                    "headers": [(b"x-session-id", f"anon_{number:064}".encode())],
                }
            )
            await rates.admit(asker, await guarded(asker))

        async def lines(number: int) -> int:
            """How many lines of Python it takes: a number that no other work changes."""
            count = 0

            def note(frame: FrameType, event: str, argument: object) -> Any:
                nonlocal count
                count += event == "line"
                return note

            before = sys.gettrace()
            # What it would find left over by other tests may have lines of its own.
            gc.disable()
            sys.settrace(note)
            try:
                await ask(number)
            finally:
                sys.settrace(before)
                gc.enable()
            return count

        for number in range(10):
            await ask(number)
        few = await lines(10)
        for number in range(11, 20_000):
            await ask(number)
        many = [await lines(number) for number in range(20_000, 20_010)]

    # Those whose window is over are looked at for the last time, which takes a line less.
    assert 0 < max(many) <= few
