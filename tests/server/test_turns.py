"""Answers while they are written: checkpoints, stop, resume, retry, on any replica."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
import psycopg
import pytest
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    ThreadItemAddedEvent,
    ThreadItemUpdatedEvent,
)

from chatkit_server.lease import CHECKPOINT
from chatkit_server.record import text_of
from chatkit_server.response import RUNNING, Feed, TurnResponse
from chatkit_server.testing import Answer, Break, Fail, ModelRequest, Say, ScriptedModel
from chatkit_server.turn import Turn
from tests.fixtures.app import Client, Reply, StartServer, message

T = TypeVar("T")
QUESTION = message("How do I connect to Neon?")
STOPPED = "The user stopped this answer"
CUT_OFF = "cut off by a fault of the server"


def until(found: Callable[[], T | None], seconds: float = 60) -> T:
    """What is found, as soon as it is."""
    deadline = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < deadline, "it did not come"
        # A server in this process has the time in between.
        time.sleep(0.005)
    return result


def hung_up(model: ScriptedModel, number: int = 0) -> None:
    """Wait until the model hears that nobody waits for the rest of this answer."""
    model.wait_for(lambda m: m.requests[number].hung_up_at is not None)


def texts(client: Client, thread_id: str) -> list[str]:
    """The stored answers of a thread."""
    items = client.items(thread_id)
    return [item["content"][0]["text"] for item in items if item["type"] == "assistant_message"]


def deltas(events: Iterator[dict[str, Any]], count: int) -> str:
    text = ""
    while count:
        delta = next(events).get("update", {}).get("delta")
        if delta:
            text += delta
            count -= 1
    return text


@contextmanager
def running(
    client: Client, thread_id: str | None = None, **headers: str
) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """An answer that is being written: its thread, and its events from the second delta on."""
    kind = "threads.add_user_message" if thread_id else "threads.create"
    params = {"thread_id": thread_id} if thread_id else {}
    with httpx.stream(
        "POST",
        f"{client.url}/chatkit",
        json={"type": kind, "params": {**params, "input": QUESTION}},
        headers={"X-Session-Id": client.secret, **headers},
        timeout=30,
    ) as response:
        assert response.status_code == 200, response.read()
        events = read(response)
        if thread_id is None:
            thread_id = str(next(events)["thread"]["id"])
        deltas(events, 2)
        yield thread_id, events


def read(response: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def stop(client: Client, thread_id: str) -> httpx.Response:
    return httpx.post(
        f"{client.url}/chatkit/stop",
        json={"thread_id": thread_id},
        headers={"X-Session-Id": client.secret},
        timeout=30,
    )


@contextmanager
def resumed(client: Client, thread_id: str) -> Iterator[httpx.Response]:
    with httpx.stream(
        "GET",
        f"{client.url}/chatkit/turns/{thread_id}",
        headers={"X-Session-Id": client.secret},
        timeout=30,
    ) as response:
        yield response


def last_state(client: Client, thread_id: str) -> str | None:
    """How the last turn ended; None while one is running."""
    with resumed(client, thread_id) as response:
        return response.headers["x-chatkit-turn"] if response.status_code == 204 else None


def text_told(events: list[dict[str, Any]]) -> str:
    """The answer that a reader of these events has in the end."""
    text = ""
    for event in events:
        item = event.get("item", {})
        if item.get("type") == "assistant_message":
            text = "".join(part["text"] for part in item["content"])
        text += event.get("update", {}).get("delta", "")
    return text


# Checkpoints


def test_what_a_reader_has_seen_is_stored_within_two_seconds(start_server: StartServer) -> None:
    with (
        ScriptedModel(Say("One two three four", hold_after=3)) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
    ):
        client = Client(url)
        with running(client) as (thread_id, events):

            def seen() -> list[str]:
                # Where the second word was late, there is a checkpoint with the first one alone.
                return [text for text in texts(client, thread_id) if text.startswith("One two")]

            partial = until(seen)
            model.release()
            whole = Reply(list(events))

        assert "One two three four".startswith(partial[0])
        assert CHECKPOINT < 2
        assert texts(client, thread_id) == ["One two three four"] == [whole.text]
        assert last_state(client, thread_id) == "completed"


def test_text_is_kept_when_the_model_breaks_off(start_server: StartServer) -> None:
    with (
        ScriptedModel(Break("One two three ", hold=True)) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
    ):
        client = Client(url)
        reply = client.ask_held(model, "How do I connect to Neon?")

        assert reply.error is not None
        assert texts(client, reply.thread_id) == ["One two three"]
        assert last_state(client, reply.thread_id) == "failed"


async def test_only_what_was_sent_is_kept_of_a_stopped_answer() -> None:
    turn = Turn("threads.create")
    item = AssistantMessageItem(
        id="msg_1",
        thread_id="thr_1",
        created_at=datetime.now(UTC),
        content=[AssistantMessageContent(text="")],
    )
    third = asyncio.Event()
    turn.search = hung_up = asyncio.ensure_future(asyncio.Event().wait())  # type: ignore[assignment]

    async def stream() -> AsyncIterator[bytes]:
        yield note(ThreadItemAddedEvent(item=item))
        for word in ("one ", "two ", "three ", "four ", "five ", "six "):
            delta = AssistantMessageContentPartTextDelta(content_index=0, delta=word)
            yield note(ThreadItemUpdatedEvent(item_id="msg_1", update=delta))
            if word == "five ":
                with contextlib.suppress(asyncio.CancelledError):
                    await hung_up

    def note(event: ThreadItemAddedEvent | ThreadItemUpdatedEvent) -> bytes:
        turn.record.note(event, apply)
        return b"data: " + event.model_dump_json().encode() + b"\n\n"

    def apply(pending: dict[str, Any], event: ThreadItemUpdatedEvent) -> None:
        assert isinstance(event.update, AssistantMessageContentPartTextDelta)
        pending[event.item_id].content[0].text += event.update.delta

    async def send(part: Any) -> None:
        if b"three" in part.get("body", b""):
            third.set()
            await asyncio.Event().wait()  # The reader takes no more.

    async def receive() -> dict[str, str]:
        await third.wait()
        return {"type": "http.disconnect"}

    feed = Feed(stream(), turn)  # type: ignore[arg-type]
    response = await TurnResponse(feed.read()).first()
    with contextlib.suppress(OSError):
        await response({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)
    await feed.task

    assert turn.reason == "left"
    # "three" was on its way; the others were not.
    assert turn.record.unsent == {("msg_1", 0): len("four five six ")}
    [kept] = turn.record.close()
    assert text_of(kept) == "one two three "


# Stop


def test_stop_ends_the_answer_for_everybody_and_keeps_it(start_server: StartServer) -> None:
    with (
        ScriptedModel(Say("One two three four", hold_after=3), Say("Next.")) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
    ):
        client = Client(url)
        with running(client) as (thread_id, events):
            answer = stop(client, thread_id)
            rest = list(events)
        kept = texts(client, thread_id)

        assert (answer.status_code, answer.json()) == (200, {"stopped": True})
        hung_up(model)
        assert "One two three four".startswith(kept[0])
        # The reader's item is done, with the same text, so that no spinner stays.
        assert Reply(rest).text == kept[0]
        assert last_state(client, thread_id) == "stopped"
        assert stop(client, thread_id).json() == {"stopped": False}
        client.ask("Go on?", thread_id)
        assert STOPPED in model.requests[1].text


def test_nobody_else_stops_or_follows_an_answer(start_server: StartServer) -> None:
    with (
        ScriptedModel(Say("One two three four", hold_after=3)) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
    ):
        ada, bob = Client(url), Client(url)
        with running(ada) as (thread_id, events):
            refusals = [stop(bob, thread_id), stop(ada, "thr_none"), stop(bob, "thr_none")]
            for client, asked in ((bob, thread_id), (ada, "thr_none")):
                with resumed(client, asked) as response:
                    response.read()
                    refusals.append(response)
            model.release()
            assert Reply(list(events)).text == "One two three four"

    assert [refusal.status_code for refusal in refusals] == [404] * 5
    assert len({refusal.text for refusal in refusals}) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{}", 400),
        (b"[]", 400),
        (b'{"thread_id": 7}', 400),
        (b'{"thread_id": ""}', 400),
        (b'{"thread_id": "' + b"x" * 201 + b'"}', 400),
        (b"\xff", 400),
        (b'{"thread_id": "' + b"x" * 5000 + b'"}', 413),
        (b'{"thread_id": "a\\u0000b"}', 404),
    ],
)
def test_a_wrong_stop_is_refused(ada: Client, body: bytes, status: int) -> None:
    headers = {"X-Session-Id": ada.secret, "Content-Type": "application/json"}
    response = httpx.post(f"{ada.url}/chatkit/stop", content=body, headers=headers)

    assert response.status_code == status
    assert response.json()["error"]["message"]


def test_stop_and_follow_ask_who_is_there(ada: Client) -> None:
    stranger = httpx.post(f"{ada.url}/chatkit/stop", json={"thread_id": "thr_1"})
    follower = httpx.get(f"{ada.url}/chatkit/turns/thr_1")
    form = httpx.post(
        f"{ada.url}/chatkit/stop", content=b"{}", headers={"X-Session-Id": ada.secret}
    )

    assert (stranger.status_code, follower.status_code, form.status_code) == (401, 401, 415)


# Resume


def test_a_lost_connection_is_taken_up_where_the_answer_is(start_server: StartServer) -> None:
    with (
        ScriptedModel(Say("Set the variable [1]. Then go.", hold_after=5)) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
    ):
        client = Client(url)
        with running(client, **{"X-Chatkit-Resume": "1"}) as (thread_id, _):
            pass  # Here the connection is lost.
        with resumed(client, thread_id) as first, resumed(client, thread_id) as second:
            assert first.headers["content-type"].startswith("text/event-stream")
            model.release()
            told = [list(read(first)), list(read(second))]

        assert model.requests[0].hung_up_at is None
        for events in told:
            kinds = [event["type"] for event in events]
            assert kinds[:3] == ["stream_options", "thread.item.done", "thread.item.added"]
            assert events[1]["item"]["content"][0]["text"] == "How do I connect to Neon?"
            assert text_told(events) == "Set the variable. Then go."
            assert Reply(events).urls
        assert texts(client, thread_id) == ["Set the variable. Then go."]
        assert last_state(client, thread_id) == "completed"


def test_an_answer_ends_by_itself_while_nobody_reads(start_server: StartServer) -> None:
    with (
        ScriptedModel(Say("One two three four", hold_after=3)) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
    ):
        client = Client(url)
        with running(client, **{"X-Chatkit-Resume": "1"}) as (thread_id, _):
            pass
        model.release()
        until(lambda: last_state(client, thread_id) == "completed")

        assert texts(client, thread_id) == ["One two three four"]


def test_an_answer_that_nobody_comes_back_for_is_stopped(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkit_server.resume.GRACE", 0.3)
    with (
        ScriptedModel(Say("One two three four", hold_after=3)) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
    ):
        client = Client(url)
        with running(client, **{"X-Chatkit-Resume": "1"}) as (thread_id, _):
            left_at = time.monotonic()
        hung_up(model)

        assert (model.requests[0].hung_up_at or 0) - left_at >= 0.25
        assert until(lambda: last_state(client, thread_id)) == "stopped"
        assert len(texts(client, thread_id)) == 1


def test_a_thread_where_nothing_runs_says_so(ada: Client) -> None:
    thread_id = ada.ask("How do I connect to Neon?").thread_id

    with resumed(ada, thread_id) as response:
        assert response.status_code == 204
        assert response.headers["x-chatkit-turn"] == "completed"


def test_a_request_that_is_refused_leaves_the_last_ending_as_it_was(
    start_server: StartServer,
) -> None:
    with (
        ScriptedModel(Say("One two three four five", hold_after=4)) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
    ):
        client = Client(url)
        with running(client) as (thread_id, _):
            assert stop(client, thread_id).json() == {"stopped": True}
        refused = client.post(
            "threads.add_structured_input",
            thread_id=thread_id,
            item_id=client.items(thread_id)[0]["id"],
            input={"status": "answered", "answers": {}},
        )

        assert refused.status_code in (400, 404, 409), refused.text
        assert last_state(client, thread_id) == "stopped"


# Another replica


def test_an_answer_is_followed_and_stopped_from_another_replica(
    start_server: StartServer,
) -> None:
    with (
        ScriptedModel(Say("One two three four five", hold_after=4), Say("Next.")) as model,
        start_server(openai_base_url=model.base_url, model="m") as here,
        start_server(openai_base_url=model.base_url, model="m") as there,
    ):
        client = Client(here)
        elsewhere = Client(there, client.secret)
        with running(client) as (thread_id, events):
            with resumed(elsewhere, thread_id) as followed:
                seen = read(followed)
                told = [next(seen)]
                while "One two" not in text_told(told):
                    told.append(next(seen))
                busy = elsewhere.post(
                    "threads.add_user_message", thread_id=thread_id, input=QUESTION
                )
                assert stop(elsewhere, thread_id).json() == {"stopped": True}
                told += seen
            assert Reply(list(events)).text == text_told(told)
        # It holds the rest back: but for the stop, none of this would have ended.
        hung_up(model)

        assert busy.status_code == 409
        assert int(busy.headers["retry-after"]) > 0
        assert texts(elsewhere, thread_id) == [text_told(told)]
        assert last_state(elsewhere, thread_id) == "stopped"


def test_an_answer_that_is_read_on_another_replica_goes_on(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkit_server.resume.GRACE", 0.5)
    monkeypatch.setattr("chatkit_server.lease.CHECKPOINT", 0.2)
    with (
        ScriptedModel(Say("One two three four five", hold_after=4)) as model,
        start_server(openai_base_url=model.base_url, model="m") as here,
        start_server() as there,
    ):
        client = Client(here)
        with contextlib.ExitStack() as asked:
            thread_id, _ = asked.enter_context(running(client, **{"X-Chatkit-Resume": "1"}))
            with resumed(Client(there, client.secret), thread_id) as followed:
                seen = read(followed)
                next(seen)
                # The server that answers hears of it by a checkpoint.
                [turn] = [turn for turn in RUNNING.values() if turn.thread_id == thread_id]
                until(lambda: turn.followed)
                asked.close()
                left_at = time.monotonic()
                while time.monotonic() < left_at + 1.5:
                    assert last_state(client, "thr_none") is None
                model.release()
                told = list(seen)

        assert model.requests[0].hung_up_at is None
        assert text_told(told) == "One two three four five"


def test_a_deleted_thread_stops_its_answer_on_another_replica_too(
    start_server: StartServer,
) -> None:
    with (
        ScriptedModel(Say("One two three four five", hold_after=4)) as model,
        start_server(openai_base_url=model.base_url, model="m") as here,
        start_server() as there,
    ):
        client = Client(here)
        with running(client) as (thread_id, events):
            response = Client(there, client.secret).post("threads.delete", thread_id=thread_id)
            rest = Reply(list(events))
        hung_up(model)

        assert response.status_code == 200
        assert rest.error is not None
        assert "deleted" in rest.error["message"]
        assert client.threads() == []


def test_an_answer_of_another_replica_is_open_in_so_many_tabs_only(
    start_server: StartServer,
) -> None:
    with (
        ScriptedModel(Say("One two three four five", hold_after=4)) as model,
        start_server(openai_base_url=model.base_url, model="m") as here,
        start_server() as there,
    ):
        client = Client(here)
        elsewhere = Client(there, client.secret)
        with running(client) as (thread_id, _), contextlib.ExitStack() as tabs:
            # Kept: without its reader, a response is closed.
            reading = []
            for _ in range(16):
                followed = tabs.enter_context(resumed(elsewhere, thread_id))
                reading.append(read(followed))
                next(reading[-1])
            with resumed(elsewhere, thread_id) as one_more:
                refused = one_more.status_code, one_more.headers["retry-after"]
            tabs.close()
            model.release()
            # Those that have left count no more.
            until(lambda: last_state(elsewhere, thread_id) == "completed")

        assert refused == (429, "5")


# One at a time


def test_a_rename_and_a_lock_during_an_answer_survive(
    start_server: StartServer, database_url: str
) -> None:
    with (
        ScriptedModel(Say("One two three four", hold_after=3)) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
    ):
        client = Client(url)
        with running(client) as (thread_id, events):
            client.post("threads.update", thread_id=thread_id, title="Renamed")
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute("update chatkit.threads set status = 'locked'")
            model.release()
            rest = Reply(list(events))
        thread = client.post("threads.get_by_id", thread_id=thread_id).json()

    assert rest.of("thread.updated")[-1]["thread"]["title"] == "Renamed"
    assert (thread["title"], thread["status"]["type"]) == ("Renamed", "locked")
    assert thread["items"]["data"][-1]["content"][0]["text"] == "One two three four"


def test_whatever_comes_meanwhile_is_refused_and_stores_nothing(
    start_server: StartServer,
) -> None:
    with (
        ScriptedModel(Say("One two three four", hold_after=3)) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
    ):
        client = Client(url)
        with running(client) as (thread_id, events):
            before = client.items(thread_id)
            answered = {"status": "answered", "answers": {}}
            refused = [
                client.post("threads.add_user_message", thread_id=thread_id, input=QUESTION),
                client.post("threads.add_client_tool_output", thread_id=thread_id, result={}),
                client.post(
                    "threads.add_structured_input",
                    thread_id=thread_id,
                    item_id=before[0]["id"],
                    input=answered,
                ),
            ]
            after = client.items(thread_id)
            model.release()
            rest = Reply(list(events))

    assert [response.status_code for response in refused] == [409] * 3
    assert {response.json()["error"]["code"] for response in refused} == {"busy"}
    assert [item["id"] for item in before if item["type"] == "user_message"] == [
        item["id"] for item in after if item["type"] == "user_message"
    ]
    assert rest.text == "One two three four"


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_retry_meanwhile_is_refused_and_stops_the_answer(
    start_server: StartServer, replicas: int
) -> None:
    with (
        ScriptedModel(Say("First."), Say("One two three", hold_after=2), Say("Anew.")) as model,
        start_server(openai_base_url=model.base_url, model="m") as here,
        start_server(openai_base_url=model.base_url, model="m") as there,
    ):
        client = Client(here)
        elsewhere = Client(here if replicas == 1 else there, client.secret)
        thread_id = client.ask("How do I connect to Neon?").thread_id
        retry = {"thread_id": thread_id, "item_id": client.items(thread_id)[0]["id"]}
        with running(client, thread_id) as (_, events):
            refused = elsewhere.post("threads.retry_after_item", **retry)
            list(events)
        hung_up(model, 1)
        again = Reply(elsewhere.events("threads.retry_after_item", **retry))

        assert refused.status_code == 409
        assert refused.headers["retry-after"] == "1"
        assert again.text == "Anew."
        assert texts(client, thread_id) == ["Anew."]


# Retry


def test_a_retry_replaces_the_answer_once_there_is_a_new_one(start_server: StartServer) -> None:
    meanwhile: list[list[str]] = []
    known: dict[str, Any] = {}

    def answer(request: ModelRequest) -> Answer:
        if "client" in known:
            meanwhile.append(texts(known["client"], known["thread_id"]))
        return Say("New." if known else "Old.")

    with (
        ScriptedModel(answer) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
    ):
        client = Client(url)
        thread_id = client.ask("How do I connect to Neon?").thread_id
        client.ask("And then?", thread_id)
        known.update(client=client, thread_id=thread_id)
        question = client.items(thread_id)[0]
        reply = Reply(
            client.events("threads.retry_after_item", thread_id=thread_id, item_id=question["id"])
        )

        assert meanwhile == [["Old.", "Old."]]
        assert "And then?" not in model.requests[2].text
        assert reply.text == "New."
        assert [item["type"] for item in client.items(thread_id)] == [
            "user_message",
            "assistant_message",
        ]
        assert texts(client, thread_id) == ["New."]


@pytest.mark.parametrize("where", ["the same server", "another replica"])
def test_who_follows_a_retry_does_not_see_what_it_replaces(
    start_server: StartServer, where: str
) -> None:
    anew = Say("New words.", hold_after=2)
    with (
        ScriptedModel(Say("Old."), Say("Old."), anew) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
        start_server(openai_base_url=model.base_url, model="m") as replica,
    ):
        client = Client(url)
        thread_id = client.ask("How do I connect to Neon?").thread_id
        client.ask("And then?", thread_id)
        first, *replaced = (item["id"] for item in client.items(thread_id))
        retry = {"thread_id": thread_id, "item_id": first}
        with httpx.stream(
            "POST",
            f"{url}/chatkit",
            json={"type": "threads.retry_after_item", "params": retry},
            headers={"X-Session-Id": client.secret},
            timeout=30,
        ) as asking:
            asked = read(asking)
            deltas(asked, 2)
            reader = client if where == "the same server" else Client(replica, client.secret)
            with resumed(reader, thread_id) as following:
                events = read(following)
                told = [next(events)]
                model.release()
                told += events
        removed = [event["item_id"] for event in told if event["type"] == "thread.item.removed"]
        assert removed == replaced
        assert text_told(told) == "New words."
        assert texts(client, thread_id) == ["New words."]


def test_a_retry_that_fails_keeps_the_old_answer(start_server: StartServer) -> None:
    refusal = Fail(400, "context_length_exceeded")
    with (
        ScriptedModel(Say("Old."), refusal) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
    ):
        client = Client(url)
        thread_id = client.ask("How do I connect to Neon?").thread_id
        question = client.items(thread_id)[0]["id"]
        reply = Reply(
            client.events("threads.retry_after_item", thread_id=thread_id, item_id=question)
        )

        assert reply.error is not None
        assert texts(client, thread_id) == ["Old."]


# What a killed server leaves


def test_a_turn_whose_server_died_is_closed_for_the_next_one(
    start_server: StartServer, database_url: str
) -> None:
    with (
        ScriptedModel(Say("One two three four", hold_after=3), Say("Next.")) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
    ):
        client = Client(url)
        with running(client) as (thread_id, _):
            until(lambda: texts(client, thread_id))
            # As a killed server would leave it: the turn is somebody's who renews it no more.
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute(
                    "update chatkit.threads set turn_id = 'dead',"
                    " lease_until = now() - interval '1 second'"
                )
        hung_up(model)
        # The server that has lost it here is about to drop it: until then it can be followed.
        state = until(lambda: last_state(client, thread_id))
        reply = client.ask("Go on?", thread_id)

        assert state == "interrupted"
        assert reply.text == "Next."
        assert CUT_OFF in model.requests[1].text
        kinds = [item["type"] for item in client.items(thread_id)]
        assert kinds == ["user_message", "assistant_message"] * 2
