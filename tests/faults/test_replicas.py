"""Three servers behind a proxy, one of which is killed at any time: no turn is lost."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from chatkit_server.identity import anonymous_user
from chatkit_server.testing import ScriptedModel
from tests.faults.replicas import Replicas
from tests.faults.returner import Question, Returner
from tests.faults.size import SEED, dice, report, scaled
from tests.faults.tables import TurnItem, held_threads, orphans, turn_items
from tests.faults.visitor import TAG, answer, answer_text, until

READERS = max(6, scaled(20))
FAULTS = 4
"""At least, however fast the turns are."""
LEASE = 10.0
"""A thread of a server that is gone is free after so many seconds."""
SLACK = 1.0


async def test_three_servers_of_which_one_is_always_dying_lose_no_turn(
    database_url: str, docs_data: Path, folder: Path, http: httpx.AsyncClient
) -> None:
    turns = max(2 * READERS, scaled(500))
    with ScriptedModel(answer) as model:
        async with Replicas.run(
            folder,
            DATABASE_URL=database_url,
            CHATKIT_DATA_DIR=docs_data,
            OPENAI_BASE_URL=model.base_url,
            CHATKIT_MODEL="scripted",
            # Not all answers end by themselves while a server stops.
            CHATKIT_DRAIN=1,
        ) as replicas:
            readers = [
                Returner(replicas.address, number, http, random.Random(f"{number} {SEED}"))
                for number in range(READERS)
            ]
            began = time.monotonic()
            async with asyncio.timeout(20 * turns), asyncio.TaskGroup() as group:
                enough = asyncio.Event()
                group.create_task(replicas.trouble(dice("replicas"), enough))
                await asyncio.gather(
                    *(converse(reader, turns // READERS, replicas) for reader in readers)
                )
                took = time.monotonic() - began
                enough.set()

            async def all_free() -> bool:
                return not await held_threads(database_url)

            async def all_salvaged() -> bool:
                return not list((folder / "journal").glob("*.trail"))

            # Said to be interrupted by a lease that is over, a turn may be looked after yet.
            await until(all_salvaged, 60, "what dead servers have sent is stored")
            await until(all_free, LEASE + SLACK, "no thread is held")
            logs = [server.log for server in replicas.servers]

    books = Books([question for reader in readers for question in reader.questions])
    books.check(await turn_items(database_url))
    books.lost += [f"orphan: {orphan}" for orphan in await orphans(database_url)]
    report(
        "Replicas",
        before_them=replicas.front,
        turns=len(books.questions),
        kills=len(replicas.kills),
        stops=replicas.stops,
        answers_taken_up_again=sum(a.connections > 1 for q in books.questions for a in q.attempts),
        retried=sum(len(question.attempts) - 1 for question in books.questions),
        whole=books.whole,
        partials_kept_and_marked=books.partials,
        seen_and_not_kept=f"{books.unkept} characters, at most {books.oldest:.2f} s old",
        lost=len(books.lost),
        turns_a_second=f"{len(books.questions) / took:.1f}",
        start_until_ready=f"{max(replicas.starts):.1f} s at most",
        statuses=dict(sum((reader.statuses for reader in readers), Counter[int | None]())),
    )
    assert not books.lost, "\n".join(books.lost)
    assert books.whole + books.partials == len(books.questions)
    assert not books.unkept
    for log in logs:
        assert "Traceback" not in log, log


async def converse(reader: Returner, turns: int, replicas: Replicas) -> None:
    """Have so many questions answered, and more until there was trouble enough."""
    while len(reader.questions) < turns or replicas.faults < FAULTS:
        await reader.ask()


@dataclass
class Books:
    """Compares what readers saw with what is kept."""

    questions: list[Question]
    lost: list[str] = field(default_factory=list)
    whole: int = 0
    partials: int = 0
    """Answers without their end, marked as such."""
    unkept: int = 0
    """Characters that a reader has seen and that are not kept."""
    oldest: float = 0.0
    """Seconds for which the reader had seen the first of them when the answer grew no more."""

    def check(self, items: list[TurnItem]) -> None:
        asked: defaultdict[str, list[TurnItem]] = defaultdict(list)
        answers: defaultdict[str, list[TurnItem]] = defaultdict(list)
        cut_off = {item.turn_id for item in items if item.kind == "sdk_hidden_context"}
        latest: dict[str, str] = {}
        for item in items:
            if item.kind == "user_message":
                [tag] = TAG.findall(item.text)
                asked[tag].append(item)
                latest[item.thread_id] = tag
            elif item.kind == "assistant_message" and item.data is not None:
                answers[latest[item.thread_id]].append(item)
                if item.turn_id == item.last_turn_id and item.last_state in (
                    "interrupted",
                    "stopped",
                ):
                    cut_off.add(item.turn_id)
        for question in self.questions:
            self._check_question(question, asked[question.tag])
            self._check_answer(question, answers[question.tag], cut_off)

    def _check_question(self, question: Question, stored: list[TurnItem]) -> None:
        if [item.id for item in stored] != [question.item_id]:
            self.lost.append(f"{question.tag}: the question is stored {len(stored)} times")
        for item in stored:
            if item.thread_id != question.thread_id or item.user_id != anonymous_user(
                question.user
            ):
                self.lost.append(f"{question.tag}: stored elsewhere")

    def _check_answer(
        self, question: Question, stored: list[TurnItem], cut_off: set[str | None]
    ) -> None:
        tag, whole = question.tag, answer_text(question.tag)
        if len(stored) != 1:
            self.lost.append(f"{tag}: {len(stored)} answers")
        kept = stored[0].text if stored else ""
        if not whole.startswith(kept):
            self.lost.append(f"{tag}: kept {kept[-60:]!r}, which was never sent")
        if question.last.end == "completed" and (kept != whole or question.last.longest != whole):
            self.lost.append(f"{tag}: said to be whole, kept {kept[-60:]!r}")
        if kept == whole:
            self.whole += 1
        elif stored and stored[0].turn_id in cut_off:
            self.partials += 1
        elif stored:
            self.lost.append(f"{tag}: partial and not marked: {kept[-60:]!r}")
        if not whole.startswith(question.last.longest):
            self.lost.append(f"{tag}: saw {question.last.longest[-60:]!r}, which was never sent")
        if len(question.last.longest) > len(kept):
            self.unkept += len(question.last.longest) - len(kept)
            grown = question.last.grown
            first = next(at for at, length in grown if length > len(kept))
            self.oldest = max(self.oldest, grown[-1][0] - first)
