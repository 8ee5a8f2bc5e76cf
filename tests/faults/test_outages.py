"""Postgres dies, stops and can't be reached, again and again: answers go on, nothing is lost."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import httpx
import psycopg

from chatkit_server.testing import ScriptedModel
from chatkit_stores.embedded import embedded_postgres
from tests.faults.ledger import Ledger
from tests.faults.process import ServerProcess
from tests.faults.size import dice, report, scaled
from tests.faults.visitor import Visitor, answer, until
from tests.fixtures.flights import Flights
from tests.fixtures.postgres import rows

VISITORS = 10
# In turn: a network that leads nowhere, a crash, both ways of stopping it.
FAULTS = ("unreachable", signal.SIGKILL, "unreachable", signal.SIGINT, signal.SIGQUIT)


async def test_a_database_that_comes_and_goes_costs_no_message(
    docs_data: Path, folder: Path, http: httpx.AsyncClient
) -> None:
    turns = max(2 * VISITORS, scaled(200))
    journal = folder / "journal"
    faults: Counter[str] = Counter()
    with ScriptedModel(answer) as model:
        async with (
            embedded_postgres(folder / "postgres") as dsn,
            Flights.to(dsn, delay=0.0) as flights,
            ServerProcess.run(
                folder,
                DATABASE_URL=flights.dsn,
                CHATKIT_DATA_DIR=docs_data,
                CHATKIT_JOURNAL_DIR=journal,
                OPENAI_BASE_URL=model.base_url,
                CHATKIT_MODEL="scripted",
            ) as server,
        ):
            visitors = [Visitor(server.url, number, http) for number in range(VISITORS)]
            # Threads that the database knows, and later ones that it does not.
            statuses = Counter[int | None]()
            await asyncio.gather(*(converse(v, statuses, 1) for v in visitors[::2]))
            async with asyncio.timeout(20 * turns), asyncio.TaskGroup() as group:
                trouble = group.create_task(
                    break_at_random(folder, flights, visitors, dice("outages"), faults)
                )
                await asyncio.gather(
                    *(converse(v, statuses, turns // VISITORS - 1, trouble) for v in visitors)
                )
            await until(lambda: reachable(dsn), 120, "Postgres is back")
            await until(lambda: written(journal), 120, "the journal is empty")
            await asyncio.gather(*(converse(v, statuses, 1) for v in visitors))
            await until(lambda: written(journal), 120, "the journal is empty")
            shown = {v.thread_id: await v.items() for v in visitors}
            asked = [turn for visitor in visitors for turn in visitor.asked if turn.events]
            ledger = Ledger(asked)
            await ledger.check(dsn)

    for turn in asked:
        on_page = [item["id"] for item in shown[turn.thread_id]]
        missing = [item["id"] for item in turn.done if item["id"] not in on_page]
        ledger.lost += [f"{turn.tag}: not on the page: {item}" for item in missing]
    notices = Counter(notice["message"] for turn in asked for notice in turn.of("notice"))
    errors = Counter(str(error.get("message")) for turn in asked for error in turn.of("error"))
    report(
        "Outages",
        turns=len(asked),
        **faults,
        notices=dict(notices),
        errors=dict(errors),
        statuses=dict(statuses),
        lost=len(ledger.lost),
    )
    assert not ledger.lost, "\n".join([*ledger.lost, server.complaints])
    assert sum(faults.values())
    assert notices
    assert not errors, errors
    # Every message is taken, whatever the database does.
    assert statuses.keys() <= {200, 409}, statuses
    assert "Traceback" not in server.log, server.complaints


async def break_at_random(
    folder: Path,
    flights: Flights,
    visitors: Sequence[Visitor],
    rolls: random.Random,
    faults: Counter[str],
) -> None:
    """Break it in some way after some seconds, as often as it takes."""
    broken_at = 0.0

    async def is_back() -> bool:
        return await reachable(flights.dsn)

    async def is_told() -> bool:
        asked = [turn for visitor in visitors for turn in visitor.asked]
        return any(
            event["type"] == "notice" and at > broken_at
            for turn in asked
            for at, event in turn.events
        )

    for number in range(max(2, scaled(20))):
        await asyncio.sleep(rolls.uniform(1.0, 4.0))
        fault = FAULTS[number % len(FAULTS)]
        if isinstance(fault, signal.Signals):
            faults[fault.name] += 1
            # Started again within a second or two, by the one who runs it.
            broken = running(folder)
            os.kill(int(broken), fault)

            async def is_another(broken: str = broken) -> bool:
                # Whoever is asked to stop answers on for a while.
                return running(folder) not in ("", broken) and await is_back()

            await until(is_another, 120, "Postgres is back")
        else:
            faults["unreachable"] += 1
            await flights.shut()
            broken_at = time.monotonic()
            await asyncio.sleep(rolls.uniform(1.0, 8.0))
            # On a slow machine it may take longer until somebody asks again.
            await until(is_told, 120, "a reader is told of the outage")
            await flights.reopen()


def running(folder: Path) -> str:
    """The number of Postgres's process, of a killed one too; empty between two of them."""
    try:
        return "".join((folder / "postgres/data/postmaster.pid").read_text().split()[:1])
    except FileNotFoundError:
        return ""


async def reachable(dsn: str) -> bool:
    try:
        return bool(await rows(dsn, "select 1"))
    except psycopg.OperationalError:
        return False


async def written(journal: Path) -> bool:
    try:
        return not any(path.stat().st_size for path in journal.rglob("*") if path.is_file())
    except FileNotFoundError:
        # It went just now; another look is needed for the rest.
        return False


async def converse(
    visitor: Visitor,
    statuses: Counter[int | None],
    turns: int,
    trouble: asyncio.Task[None] | None = None,
) -> None:
    """Have so many messages answered, and more while there is trouble."""
    taken = 0
    while taken < turns or (trouble and not trouble.done()):
        asked = await visitor.ask()
        statuses[asked.status] += 1
        if asked.status == 200:
            taken += 1
        else:
            assert asked.status in (409, 503), f"{asked.tag}: {asked.status} {asked.body}"
            await asyncio.sleep(0.2)
