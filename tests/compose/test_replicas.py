"""Three replicas, and what becomes of answers when they are restarted and killed."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.compose.stack import Stack, docker
from tests.compose.use import (
    NO_LIMITS,
    QUESTION,
    answers,
    figure,
    metrics,
    model_for,
    settings,
)
from tests.faults.ledger import Ledger
from tests.faults.tables import held_threads
from tests.faults.visitor import Asked, Visitor, answer, until
from tests.fixtures.app import Client
from tests.fixtures.files import PNG, announce, put

# Builds take minutes.
pytestmark = pytest.mark.timeout(3600)

DSN = "postgresql://chatkit:chatkit@{}:5432/{}"


def test_three_replicas_share_the_work_the_chats_and_the_files(stack: Stack, ada: Client) -> None:
    settings(stack, **NO_LIMITS)
    stack.compose("up", "--detach", "--scale=server=3")
    servers = stack.containers("server")
    assert len(servers) == 3
    stack.wait_until(lambda: all(answers(stack, one) for one in servers), "three servers")
    thread_id = ada.ask(QUESTION).thread_id

    def use(_: int) -> None:
        assert ada.threads()[0]["id"] == thread_id
        # Announced to one server, signed by it, and taken by another.
        announced = announce(ada, PNG)
        assert put(announced, PNG).status_code == 200
        shown = httpx.get(announced["preview_url"])
        assert shown.content == PNG

    with ThreadPoolExecutor(4) as readers:
        list(readers.map(use, range(16)))

    counts = [requests_of(stack, one) for one in servers]
    assert all(count > 5 for count in counts), counts
    memory = docker("stats", "--no-stream", "--format={{.Name}} {{.MemUsage}}", *servers)
    figure(memory_per_replica=[line.split()[1] for line in memory.splitlines()])


def requests_of(stack: Stack, container: str) -> float:
    found = re.findall(
        r'^chatkit_requests_total\{.*route="/chatkit.*\} (\S+)',
        metrics(stack, container),
        re.MULTILINE,
    )
    return sum(map(float, found))


async def test_replicas_are_restarted_under_load_and_no_turn_is_lost(stack: Stack) -> None:
    [postgres] = stack.containers("postgres")
    docker(
        "exec",
        "--env=PGPASSWORD=chatkit",
        postgres,
        "createdb",
        "--host=127.0.0.1",
        "--username=chatkit",
        "load",
    )
    with model_for(stack, answer) as (_, named):
        database = "postgresql://chatkit:chatkit@postgres:5432/load"
        settings(stack, **NO_LIMITS, **named, DATABASE_URL=database)
        stack.compose("up", "--detach", "--scale=server=3")
        servers = stack.containers("server")
        stack.wait_until(lambda: all(answers(stack, one) for one in servers), "three servers")
        load = Load(stack, servers)
        await load.run()

        dsn = DSN.format(stack.address(postgres, "back"), "load")
        # Leases of the killed servers.
        await until(lambda: is_free(dsn), 30, "no thread is held")
        ledger = Ledger(load.asked, load.faults)
        await ledger.check(dsn)
    figure(
        turns=len(load.asked),
        restarts=3,
        kills=3,
        cut_off_by_restarts=len(load.cut_by_restarts),
        refused_by_restarts=len(load.refused_by_restarts),
        refused_in_all=len(load.refused),
        cut_off_in_all=sum(not asked.whole for asked in load.asked),
        partials_kept=ledger.partials,
        oldest_partial=f"{ledger.oldest:.2f} s",
        lost=len(ledger.lost),
    )
    assert not ledger.lost, "\n".join(ledger.lost)
    # A server that is asked to stop takes nothing more, and lets its answers end.
    said = stack.compose("logs", "--no-log-prefix", "proxy").stdout
    assert not load.refused_by_restarts, "\n".join((*load.refused_by_restarts, said[-3000:]))
    assert not load.cut_by_restarts
    assert len(load.faults) == 3


class Load:
    """Readers who never stop asking, while one server after the other is restarted, then killed."""

    def __init__(self, stack: Stack, servers: Sequence[str]) -> None:
        self._stack = stack
        self._servers = servers
        self.asked: list[Asked] = []
        self.faults: list[float] = []
        self.cut_by_restarts: list[Asked] = []
        self.refused: list[str] = []
        self.refused_by_restarts: list[str] = []

    async def run(self) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        ended = asyncio.Event()
        async with (
            httpx.AsyncClient(timeout=60, limits=limits) as http,
            asyncio.TaskGroup() as all_,
        ):
            for number in range(8):
                all_.create_task(self._ask_on(Visitor(self._stack.url, number, http), ended))
            for server in self._servers:
                await asyncio.to_thread(docker, "restart", server)
                await self._back(server)
            self.cut_by_restarts = [asked for asked in self.asked if not asked.whole]
            self.refused_by_restarts = list(self.refused)
            for server in self._servers:
                await asyncio.to_thread(docker, "kill", "--signal=KILL", server)
                self.faults.append(time.monotonic())
                await asyncio.to_thread(docker, "start", server)
                await self._back(server)
            ended.set()

    async def _back(self, server: str) -> None:
        await until(lambda: asyncio.to_thread(answers, self._stack, server), 60, "it is back")

    async def _ask_on(self, visitor: Visitor, ended: asyncio.Event) -> None:
        while not ended.is_set():
            asked = await visitor.ask()
            if asked.status == 409:
                # A thread that a killed server held is free after ten seconds.
                await asyncio.sleep(0.2)
                continue
            if asked.status == 200:
                self.asked.append(asked)
            else:
                # What a killed server had not begun to answer; the reader asks again.
                self.refused.append(f"{asked.tag}: {asked.status} {asked.body}")


async def is_free(dsn: str) -> bool:
    return not await held_threads(dsn)
