"""The server is killed in the middle of answers, and started again."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import httpx

from chatkit_server.testing import Say, ScriptedModel
from tests.faults.ledger import Ledger
from tests.faults.process import ServerProcess
from tests.faults.size import dice, report, scaled
from tests.faults.tables import held_threads
from tests.faults.visitor import TAG, Asked, Visitor, answer, answer_text, until
from tests.fixtures.postgres import rows

VISITORS = 10
CHECKPOINT = 2.0
"""A stored partial answer is at most so many seconds older than what was sent."""
LEASE = 10.0
"""A killed server's threads are free so many seconds after the last that it has written."""
# What a busy machine may take for what takes no time: a poll of ours, a request, a write.
SLACK = 1.0
# What is stored of answers that have not ended, also by the death of their server.
BEGUN = """
    select items.turn_id, data -> 'content' -> 0 ->> 'text' from chatkit.items
    join chatkit.threads on threads.id = thread_id and threads.turn_id = items.turn_id
    where kind = 'assistant_message' and turn_state = 'running'
"""
# Its connections to the database, for as long as that has something of it to carry out.
CONNECTIONS = """
    select from pg_stat_activity
    where application_name = 'chatkit' and datname = current_database()
"""
HELD_FOR = """
    select coalesce(extract(epoch from max(lease_until) - clock_timestamp()), 0.0)::float
    from chatkit.threads
"""


@dataclass(frozen=True)
class Death:
    at: float
    free_at: float
    """When all threads that it has left behind are free, at the latest."""


async def test_a_server_that_is_killed_loses_nothing_that_was_done(
    database_url: str, docs_data: Path, folder: Path, http: httpx.AsyncClient
) -> None:
    turns = max(2 * VISITORS, scaled(200))
    with ScriptedModel(answer) as model:
        async with ServerProcess.run(
            folder,
            DATABASE_URL=database_url,
            CHATKIT_DATA_DIR=docs_data,
            OPENAI_BASE_URL=model.base_url,
            CHATKIT_MODEL="scripted",
        ) as server:
            visitors = [Visitor(server.url, number, http) for number in range(VISITORS)]
            deaths: list[Death] = []
            async with asyncio.timeout(20 * turns), asyncio.TaskGroup() as group:
                killer = group.create_task(
                    kill_at_random(server, dice("kills"), database_url, deaths)
                )
                waits = await asyncio.gather(
                    *(converse(v, server, deaths, turns // VISITORS, killer) for v in visitors)
                )
            # Nobody kills any more: each thread answers, at once or after the lease.
            await server.up.wait()
            waits += await asyncio.gather(*(converse(v, server, deaths, 1) for v in visitors))
            shown = {v.thread_id: await v.items() for v in visitors}

    async def only_known_are_held() -> bool:
        return set(await held_threads(database_url)) <= shown.keys()

    # A thread of which its visitor was never told was cut off as well, and nobody waited for it.
    await until(only_known_are_held, 60, "threads that nobody knows of are free")
    asked = [turn for visitor in visitors for turn in visitor.asked if turn.status != 409]
    ledger = Ledger(asked, server.kills)
    await ledger.check(database_url)
    for turn in asked:
        on_page = [item["id"] for item in shown[turn.thread_id]] if turn.thread_id else []
        missing = [item["id"] for item in turn.done if item["id"] not in on_page]
        ledger.lost += [f"{turn.tag}: not on the page: {item}" for item in missing]
    # An answer that was written without a pause came with such a one at most.
    lull = longest_lull(asked)
    report(
        "SIGKILL",
        turns=len(asked),
        kills=len(server.kills),
        cut_off=sum(not turn.whole for turn in asked),
        partials_kept=ledger.partials,
        oldest_partial=f"{ledger.oldest:.2f} s",
        longest_lull=f"{lull:.2f} s",
        longest_wait_for_a_thread=f"{max(waits):.1f} s",
        lost=len(ledger.lost),
    )
    assert not ledger.lost, "\n".join(ledger.lost)
    assert server.kills
    assert ledger.partials
    # On a machine that stands still now and then, so do the server's clock and the database.
    assert ledger.oldest <= CHECKPOINT + SLACK + 2 * lull
    assert "Traceback" not in server.log, server.log


async def test_a_server_that_comes_back_keeps_every_word_and_lets_its_threads_go(
    database_url: str, docs_data: Path, folder: Path, http: httpx.AsyncClient
) -> None:
    with ScriptedModel(Say("One two three four five", hold_after=5), Say("Next.")) as model:
        async with ServerProcess.run(
            folder,
            DATABASE_URL=database_url,
            CHATKIT_DATA_DIR=docs_data,
            CHATKIT_JOURNAL_DIR=folder / "journal",
            OPENAI_BASE_URL=model.base_url,
            CHATKIT_MODEL="scripted",
        ) as server:
            visitor = Visitor(server.url, 0, http)
            asking = asyncio.create_task(visitor.ask())
            while not (visitor.asked and len(visitor.asked[0].text) >= 16):
                assert not asking.done()
                await asyncio.sleep(0.01)
            await server.kill()
            seen = (await asking).text
            await server.start()

            async def told() -> bool:
                url = f"{server.url}/chatkit/turns/{visitor.thread_id}"
                found = await http.get(url, headers={"X-Session-Id": visitor.secret})
                return str(found.headers.get("x-chatkit-turn")) == "interrupted"

            await until(told, 60, "the answer is said to be interrupted")

            async def let_go() -> bool:
                # Not by the lease, which is over by now where the start took long.
                found = await rows(database_url, "select lease_until from chatkit.threads")
                return found == [(None,)]

            await until(let_go, 60, "the thread is given back")
            kept = (await visitor.items())[-1]["content"][0]["text"]
            following = await visitor.ask()

    # Far sooner than any checkpoint.
    assert "One two three four five".startswith(kept)
    assert kept.startswith(seen)
    assert following.text == "Next."
    assert not list((folder / "journal").glob("*.trail"))


async def test_a_server_that_stops_keeps_no_connection_open_for_a_proxys_next_question(
    database_url: str, docs_data: Path, folder: Path, http: httpx.AsyncClient
) -> None:
    with ScriptedModel(Say("One two three four five", hold_after=5)) as model:
        async with ServerProcess.run(
            folder,
            DATABASE_URL=database_url,
            CHATKIT_DATA_DIR=docs_data,
            OPENAI_BASE_URL=model.base_url,
            CHATKIT_MODEL="scripted",
            CHATKIT_DRAIN=60,
        ) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b"}")
            visitor = Visitor(server.url, 0, http)
            asking = asyncio.create_task(visitor.ask())
            while not (visitor.asked and visitor.asked[0].deltas):
                assert not asking.done()
                await asyncio.sleep(0.01)
            stopping = asyncio.create_task(server.stop())
            async with asyncio.timeout(50):
                assert await reader.read() == b""
            answering = not asking.done()
            model.release()
            asked = await asking
            await stopping
            writer.close()

    assert answering
    assert (asked.whole, asked.text) == (True, "One two three four five")


async def kill_at_random(
    server: ServerProcess, rolls: random.Random, dsn: str, deaths: list[Death]
) -> None:
    """Kill it at some time after each start, and start it again, until answers were cut off."""
    cut_off: set[str] = set()

    async def begun() -> set[str]:
        found = {turn: text for turn, text in await rows(dsn, BEGUN) if text}
        parts = {turn for turn, text in found.items() if text != answer_text(TAG.findall(text)[0])}
        return parts - cut_off

    async def is_gone() -> bool:
        return not await rows(dsn, CONNECTIONS)

    for number in itertools.count(1):
        # However slow the machine is: what was not stored yet is no partial answer.
        await until(begun, 120, "an answer is stored in part")
        await asyncio.sleep(rolls.uniform(0.0, 2.5))
        await server.kill()
        # What it has sent is carried out, also what the database comes to later than that.
        await until(is_gone, 120, "the database has done what the dead server said")
        [(held_for,)] = await rows(dsn, HELD_FOR)
        assert held_for <= LEASE
        deaths.append(Death(server.kills[-1], time.monotonic() + held_for))
        cut_off |= await begun()
        await server.start()
        if number >= max(2, scaled(20)) and cut_off:
            return


def longest_lull(asked: Sequence[Asked]) -> float:
    """The longest time between two pieces of an answer."""
    times = ([at for at, _ in turn.deltas] for turn in asked)
    return max((later - at for each in times for at, later in pairwise(each)), default=0.0)


async def converse(
    visitor: Visitor,
    server: ServerProcess,
    deaths: Sequence[Death],
    turns: int,
    killer: asyncio.Task[None] | None = None,
) -> float:
    """Have so many messages taken, and more while there is a killer.

    Returns the longest time after which a thread was still held by a dead server.
    """
    taken = 0
    longest = 0.0
    while taken < turns or (killer and not killer.done()):
        await server.up.wait()
        asked = await visitor.ask()
        if asked.status == 409:
            # When it was sent, and not when a busy machine has answered it.
            dead = [death for death in deaths if death.at <= asked.sent_at]
            assert dead, refusal(asked)
            assert asked.sent_at <= dead[-1].free_at, refusal(asked)
            longest = max(longest, asked.sent_at - dead[-1].at)
            await asyncio.sleep(0.2)
        elif asked.status == 200 or asked.events:
            taken += 1
        else:
            # The connection was refused, or broke before there was an answer: as a browser would,
            # the visitor tries again.
            assert asked.status is None, refusal(asked)
            await asyncio.sleep(0.05)
    return longest


def refusal(asked: Asked) -> str:
    return f"{asked.tag}: {asked.status} {asked.body}"
