"""What the turns of a killed process had sent is kept, and only that."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from chatkit.types import (
    AssistantMessageContentPartTextDelta,
    ClientToolCallItem,
    ProgressUpdateEvent,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
)

from chatkit_server.recording import RecordingServer
from chatkit_server.salvage import Salvage
from chatkit_server.trail import Trails, Whose
from chatkit_stores import PostgresStore
from tests.fixtures.postgres import ADA, rows
from tests.stores.items import NOON, answer, question, thread

LEAVE = """
import os, signal, sys
from pathlib import Path
from chatkit_server.trail import Trails, Whose
trail = Trails(Path(sys.argv[1])).begin(Whose.model_validate_json(sys.argv[2]))
trail.write(sys.stdin.buffer.read())
os.kill(os.getpid(), signal.SIGKILL)
"""
STATE = "select turn_state, lease_until from chatkit.threads"


def delta(text: str) -> ThreadItemUpdatedEvent:
    update = AssistantMessageContentPartTextDelta(content_index=0, delta=text)
    return ThreadItemUpdatedEvent(item_id="a1", update=update)


SENT: tuple[ThreadStreamEvent, ...] = (
    ThreadItemDoneEvent(item=question("q1")),
    ProgressUpdateEvent(text="Searching"),
    ThreadItemAddedEvent(item=answer("a1", "")),
    delta("Because "),
    delta("of…\n\nthat."),
)


def leave(
    folder: Path, *events: ThreadStreamEvent, torn: bytes = b"", retry: str | None = None
) -> None:
    """As a process that is killed in the middle of `turn_1`."""
    whose = Whose(turn_id="turn_1", thread_id="thr_1", user_id="ada", retry=retry)
    frames = b"".join(
        b"data: " + event.model_dump_json(by_alias=True, exclude_none=True).encode() + b"\n\n"
        for event in events
    )
    command = [sys.executable, "-c", LEAVE, str(folder), whose.model_dump_json()]
    killed = subprocess.run(command, input=frames + torn, check=False)
    assert killed.returncode == -signal.SIGKILL


class Silent(RecordingServer):
    async def respond(self, *arguments: object) -> AsyncIterator[ThreadStreamEvent]:
        raise NotImplementedError
        yield


def salvage(folder: Path, store: PostgresStore) -> Salvage:
    return Salvage(Trails(folder), store, Silent(store)._update_pending_items)


async def texts(store: PostgresStore) -> list[str]:
    page = await store.load_thread_items("thr_1", None, 100, "asc", ADA)
    return [
        item.content[0].text
        for item in page.data
        if item.type in ("user_message", "assistant_message")
    ]


async def test_every_word_is_kept_and_the_thread_is_free_at_once(
    store: PostgresStore, database_url: str, tmp_path: Path
) -> None:
    await store.begin_turn("turn_1", thread(), question("q1"), context=ADA)
    await store.checkpoint_turn("turn_1", "thr_1", items=[answer("a1", "Bec")], context=ADA)
    leave(tmp_path, *SENT, torn=b'data: {"type":"thread.item.up')

    await salvage(tmp_path, store).look()

    assert await texts(store) == ["Why?", "Because of…\n\nthat."]
    assert await rows(database_url, STATE) == [("interrupted", None)]
    assert not list(tmp_path.iterdir())
    following = await store.begin_turn("turn_2", "thr_1", question("q2"), context=ADA)
    assert following.refusal is None
    # The model is told, once, that the answer before was cut off.
    told = [item.type for item in following.items]
    assert told == ["user_message", "assistant_message", "sdk_hidden_context", "user_message"]


async def test_what_a_turn_had_taken_back_is_not_kept(store: PostgresStore, tmp_path: Path) -> None:
    await store.begin_turn("turn_1", thread(), question("q1"), context=ADA)
    await store.checkpoint_turn("turn_1", "thr_1", items=[answer("a1", "Bec")], context=ADA)
    instead = ThreadItemDoneEvent(item=answer("a2", "I can't say that."))
    leave(tmp_path, *SENT, ThreadItemRemovedEvent(item_id="a1"), instead)

    await salvage(tmp_path, store).look()

    assert await texts(store) == ["Why?", "I can't say that."]


async def test_the_output_of_a_tool_follows_its_call(store: PostgresStore, tmp_path: Path) -> None:
    await store.begin_turn("turn_1", thread(), question("q1"), context=ADA)
    call = ClientToolCallItem(
        id="ctc_1", thread_id="thr_1", created_at=NOON, call_id="call_1", name="open", arguments={}
    )
    leave(tmp_path, *SENT[:2], ThreadItemDoneEvent(item=call))

    await salvage(tmp_path, store).look()

    page = await store.load_thread_items("thr_1", None, 1, "desc", ADA)
    assert [item.id for item in page.data] == ["ctc_1"]


async def test_a_file_that_can_not_be_opened_hides_no_other(
    store: PostgresStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await store.begin_turn("turn_1", thread(), question("q1"), context=ADA)
    (tmp_path / "a.trail").mkdir()
    leave(tmp_path, *SENT)
    looking = salvage(tmp_path, store)

    await looking.look()
    await looking.look()

    assert await texts(store) == ["Why?", "Because of…\n\nthat."]
    assert caplog.text.count("a.trail can't be taken over") == 1


async def test_a_turn_that_had_ended_stays_as_it_ended(
    store: PostgresStore, database_url: str, tmp_path: Path
) -> None:
    await store.begin_turn("turn_1", thread(), question("q1"), context=ADA)
    await store.finish_turn("turn_1", "thr_1", items=[answer("a1", "Whole.")], context=ADA)
    leave(tmp_path, *SENT)

    await salvage(tmp_path, store).look()

    assert await texts(store) == ["Why?", "Whole."]
    assert await rows(database_url, STATE) == [("completed", None)]
    assert not list(tmp_path.iterdir())


async def test_who_has_asked_again_since_keeps_the_thread(
    store: PostgresStore, tmp_path: Path
) -> None:
    await store.begin_turn("turn_1", thread(), question("q1"), lease=0.0, context=ADA)
    leave(tmp_path, *SENT)
    await store.begin_turn("turn_2", "thr_1", question("q2", "And?"), context=ADA)

    await salvage(tmp_path, store).look()

    assert await texts(store) == ["Why?", "And?"]
    assert await store.checkpoint_turn("turn_2", "thr_1", context=ADA) == "running"


async def test_a_retry_replaces_what_it_has_an_answer_for(
    store: PostgresStore, tmp_path: Path
) -> None:
    await store.begin_turn("turn_0", thread(), question("q1"), context=ADA)
    await store.finish_turn("turn_0", "thr_1", items=[answer("old", "No.")], context=ADA)
    await store.begin_turn("turn_1", "thr_1", None, retry="q1", context=ADA)
    leave(tmp_path, *SENT, retry="q1")

    await salvage(tmp_path, store).look()

    assert await texts(store) == ["Why?", "Because of…\n\nthat."]


async def test_a_retry_that_had_said_nothing_leaves_the_old_answer(
    store: PostgresStore, tmp_path: Path
) -> None:
    await store.begin_turn("turn_0", thread(), question("q1"), context=ADA)
    await store.finish_turn("turn_0", "thr_1", items=[answer("old", "No.")], context=ADA)
    await store.begin_turn("turn_1", "thr_1", None, retry="q1", context=ADA)
    leave(tmp_path, *SENT[:2], retry="q1")

    await salvage(tmp_path, store).look()

    assert await texts(store) == ["Why?", "No."]


async def test_files_of_processes_that_live_are_theirs(
    store: PostgresStore, tmp_path: Path
) -> None:
    await store.begin_turn("turn_1", thread(), question("q1"), context=ADA)
    whose = Whose(turn_id="turn_1", thread_id="thr_1", user_id="ada", retry=None)
    trail = Trails(tmp_path).begin(whose)
    assert trail is not None

    await salvage(tmp_path, store).look()
    assert len(list(tmp_path.iterdir())) == 1
    assert await store.checkpoint_turn("turn_1", "thr_1", context=ADA) == "running"
    trail.end()
    assert not list(tmp_path.iterdir())


async def test_a_file_stays_while_the_store_is_away(
    store: PostgresStore, database_url: str, tmp_path: Path
) -> None:
    await store.begin_turn("turn_1", thread(), question("q1"), context=ADA)
    leave(tmp_path, *SENT)
    async with PostgresStore.open("postgresql://nobody@127.0.0.1:9/none") as away:
        await salvage(tmp_path, away).look()
    assert len(list(tmp_path.iterdir())) == 1

    await salvage(tmp_path, store).look()

    assert await texts(store) == ["Why?", "Because of…\n\nthat."]


@pytest.mark.parametrize("content", [b"", b"nonsense\n\n", b'{"turn_id": "turn_1"'])
async def test_a_file_that_says_nothing_is_taken_away(
    store: PostgresStore, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "turn_1.trail").write_bytes(content)

    await salvage(tmp_path, store).look()

    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_costs_no_answer(tmp_path: Path) -> None:
    whose = Whose(turn_id="turn_1", thread_id="thr_1", user_id="ada", retry=None)

    assert Trails(tmp_path / "none").begin(whose) is None
