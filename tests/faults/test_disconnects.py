"""Readers leave at any moment and in any manner: text is kept, the model stopped, nothing left."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from chatkit_server.identity import anonymous_user
from chatkit_server.testing import ModelRequest, Say, ScriptedModel
from tests.faults.leaver import MANNERS, Leaver
from tests.faults.process import ServerProcess, tasks_left
from tests.faults.size import dice, report, scaled
from tests.faults.tables import StoredItem, held_threads, orphans, stored_items
from tests.faults.visitor import until
from tests.fixtures.postgres import rows

AT_ONCE = 30
PIECES = 40
READ_TO_THE_END = ("at-the-end", "and-comes-back", "patient")
TEXT = " ".join(f"piece-{number:02}" for number in range(PIECES))
# Far more than the buffers between server and reader hold, so that the writing stops too.
LONG_PIECE = "long text " * 400
LONG_TEXT = LONG_PIECE * 500
POOL = """
    select state from pg_stat_activity
    where application_name = 'chatkit' and datname = current_database()
"""
_TAG = re.compile(rf"({'|'.join(manner.replace(' ', '-') for manner in MANNERS)}|patient)-\d+")


def answer(request: ModelRequest) -> Say:
    """Ends for those only who wait for the end; for all others the last piece never comes."""
    found = _TAG.search(request.text)
    manner = found[1] if found else "at-the-end"
    if manner == "patient":
        return Say("Thank you.")
    if manner == "stalled":
        return Say(LONG_TEXT, cut=len(LONG_PIECE), hold_after=499)
    last = None if manner in READ_TO_THE_END else PIECES - 1
    return Say(TEXT, cut=9, pause=0.04, hold_after=last)


async def test_readers_who_leave_lose_nothing_and_leave_nothing(
    database_url: str, docs_data: Path, folder: Path, http: httpx.AsyncClient
) -> None:
    rolls = dice("disconnects")
    leavers = [Leaver.roll(number, rolls, PIECES) for number in range(scaled(500))]
    with ScriptedModel(answer) as model:
        async with ServerProcess.run(
            folder,
            module="tests.faults.observed",
            DATABASE_URL=database_url,
            CHATKIT_DATA_DIR=docs_data,
            OPENAI_BASE_URL=model.base_url,
            CHATKIT_MODEL="scripted",
            CHATKIT_KEEP_ALIVE="1",
        ) as server:
            await crowd([Leaver.patient(1000 + n) for n in range(20)], server.url)
            before = await quiet(server, http, database_url)
            await crowd(leavers, server.url)
            after = await quiet(server, http, database_url, before)
            with contextlib.suppress(TimeoutError):
                await asyncio.to_thread(model.wait_for, lambda _: not running_on(model), 60)
            ran_on = running_on(model)

    items = await stored_items(database_url)
    lost = [f"orphan: {orphan}" for orphan in await orphans(database_url)]
    for leaver in leavers:
        user = anonymous_user(leaver.secret)
        lost += check(leaver, [item for item in items if item.user_id == user])
    report(
        "Disconnects",
        turns=len({anonymous_user(x.secret) for x in leavers} & {item.user_id for item in items}),
        **{manner.replace(" ", "_"): n for manner, n in Counter(x.manner for x in leavers).items()},
        partials_kept=sum(bool(leaver.seen) and not leaver.ended for leaver in leavers),
        model_calls_that_ran_on=len(ran_on),
        tasks_left=tasks_left(before, after).total(),
        connections_left=after["readers"] - before["readers"],
        files_left=after["files"] - before["files"],
        lost=len(lost),
    )
    assert not lost, "\n".join([*lost, server.complaints])
    assert not ran_on
    assert not tasks_left(before, after)
    assert after["readers"] <= before["readers"]
    assert after["files"] <= before["files"]
    assert "Traceback" not in server.log, server.log
    assert "never retrieved" not in server.log, server.log


def running_on(model: ScriptedModel) -> list[str]:
    """Whose calls of the model were not ended, though their readers have left."""
    return [
        tag[0]
        for request in model.requests
        if (tag := _TAG.search(request.text)) and tag[1] not in READ_TO_THE_END
        if request.hung_up_at is None
    ]


async def crowd(leavers: list[Leaver], url: str) -> None:
    """All of them, some at a time."""
    places = asyncio.Semaphore(AT_ONCE)

    async def go(leaver: Leaver) -> None:
        async with places:
            await leaver.come_and_go(url)

    async with asyncio.TaskGroup() as group:
        for leaver in leavers:
            group.create_task(go(leaver))


async def quiet(
    server: ServerProcess,
    http: httpx.AsyncClient,
    dsn: str,
    wanted: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """How the server is once no turn runs, no thread is held and its connections are at rest.

    As it was before, where that is known: what has just ended takes its time on a busy machine.
    """
    found: dict[str, Any] = {}

    async def still() -> bool:
        nonlocal found
        before, found = found, await server.vitals(http)
        pool = [state for (state,) in await rows(dsn, POOL)]
        at_rest = {**before, "rss": 0} == {**found, "rss": 0}
        idle = set(pool) <= {"idle"} and not found["turns"] and not await held_threads(dsn)
        as_before = wanted is None or not (
            tasks_left(wanted, found)
            or found["readers"] > wanted["readers"]
            or found["files"] > wanted["files"]
        )
        return at_rest and idle and as_before

    # What is left is told by the assertions.
    with contextlib.suppress(TimeoutError):
        await until(still, 60, "the server is quiet")
    return found


def check(leaver: Leaver, stored: list[StoredItem]) -> list[str]:
    """What is wrong with what is kept of one reader's thread."""
    kinds = [item.kind for item in stored if item.kind != "sdk_hidden_context"]
    answers = [item.text for item in stored if item.kind == "assistant_message"]
    whole = LONG_TEXT if leaver.manner == "stalled" else TEXT
    wrong = []
    if leaver.manner == "half a request" and stored:
        wrong.append("half a request is stored")
    if kinds not in ([], ["user_message"], ["user_message", "assistant_message"]):
        wrong.append(f"stored are {kinds}")
    if any(item not in {s.id for s in stored} for item in leaver.questions):
        wrong.append("the question is lost")
    kept = answers[0] if answers else ""
    if not whole.startswith(kept):
        wrong.append(f"kept {kept[-40:]!r}, which was never sent")
    if not kept.startswith(leaver.seen.rstrip()):
        wrong.append(f"kept {kept[-40:]!r} but sent {leaver.seen[-40:]!r}")
    read_on = leaver.manner in ("at the end", "and comes back")
    if read_on and (not leaver.ended or kept != TEXT):
        wrong.append(f"ended with {kept[-40:]!r}")
    return [f"{leaver.tag}: {fault}" for fault in wrong]
