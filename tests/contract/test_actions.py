"""What an action changes is stored, and not only shown; the SDK stores none of it."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from tests.fixtures.app import Client, Reply, message
from tests.fixtures.own_server import StartOwn, dump
from tests.server.test_turns import until


def act(
    client: Client, reply: Reply, kind: str, item_id: str | None = None, **payload: Any
) -> list[dict[str, Any]]:
    action = {"type": kind, "payload": payload}
    return client.events(
        "threads.custom_action", thread_id=reply.thread_id, item_id=item_id, action=action
    )


def shown(item: dict[str, Any]) -> tuple[str, str]:
    """A card's text, and what its button says."""
    text, row = item["widget"]["children"]
    return text["value"], row["children"][0]["label"]


def test_threads_custom_action_stores_every_update_of_a_widget(own_url: str) -> None:
    ada = Client(own_url)
    reply = ada.ask("widget")
    widget = ada.items(reply.thread_id)[1]

    seen = []
    for kind in ("root", "text", "component"):
        events = act(ada, reply, kind, widget["id"])
        assert [event["type"] for event in events] == [
            "stream_options",
            "thread.item.updated",
            "thread.updated",
        ]
        items = ada.items(reply.thread_id)
        assert [item["id"] for item in items][1:] == [widget["id"]]
        seen.append(shown(items[1]))

    assert shown(widget) == ("Hello", "0 likes")
    assert seen == [("Hello", "1 likes"), ("Hello, world", "1 likes"), ("Hello, world", "2 likes")]
    assert ada.threads()[0]["title"] == "After component"


def test_a_component_that_fits_nowhere_leaves_the_widget_as_it_was(own_url: str) -> None:
    ada = Client(own_url)
    reply = ada.ask("widget")
    widget = ada.items(reply.thread_id)[1]

    for kind, target in (("misfit", widget["id"]), ("root", "msg_unknown")):
        events = act(ada, reply, kind, widget["id"], target=target)
        assert events[-1]["type"] == "thread.updated"
        assert ada.items(reply.thread_id)[1:] == [widget]


def test_an_action_without_a_sender_updates_a_workflow(own_url: str) -> None:
    ada = Client(own_url)
    reply = ada.ask("workflow")
    item_id = ada.items(reply.thread_id)[1]["id"]

    for title, index, new in (
        ("first", 0, True),
        ("second", 1, True),
        ("FIRST", 0, False),
        ("second", 1, True),  # announced again, as the SDK does
    ):
        act(ada, reply, "task", target=item_id, title=title, index=index, new=new)

    tasks = ada.items(reply.thread_id)[1]["workflow"]["tasks"]
    assert [task["title"] for task in tasks] == ["FIRST", "second"]


def test_an_action_that_fails_says_so_and_changes_nothing(own_url: str, database_url: str) -> None:
    ada = Client(own_url)
    reply = ada.ask("widget")
    before = dump(database_url)

    events = act(ada, reply, "explode", ada.items(reply.thread_id)[1]["id"])

    assert events[-1]["type"] == "error"
    assert events[-1]["message"] == "There is no such action."
    assert dump(database_url) == before
    assert ada.ask("again", reply.thread_id).error is None


def test_an_action_whose_work_is_cancelled_elsewhere_has_failed(own_url: str) -> None:
    ada = Client(own_url)
    reply = ada.ask("widget")

    events = act(ada, reply, "cancelled")

    assert (events[-1]["type"], events[-1]["allow_retry"]) == ("error", True)
    assert ada.ask("again", reply.thread_id).error is None


def test_an_action_that_waits_for_ever_is_stopped(own_url: str) -> None:
    ada = Client(own_url)
    thread_id = ada.ask("widget").thread_id
    action = {"type": "wait", "payload": {}}
    with ada.stream("threads.custom_action", thread_id=thread_id, action=action) as events:
        next(event for event in events if event["type"] == "progress_update")
        stopped = ada.send({"thread_id": thread_id}, path="/chatkit/stop")
        rest = list(events)
    with ada.stream("threads.custom_action", thread_id=thread_id, action=action) as events:
        next(event for event in events if event["type"] == "progress_update")

    # Waits for the action that its reader has left.
    assert ada.ask("hello", thread_id).error is None
    assert (stopped.status_code, rest) == (200, [])


def test_an_action_that_takes_too_long_ends_with_a_sentence(start_own: StartOwn) -> None:
    # What does not wait has time enough on a busy machine too.
    with start_own() as url, start_own(turn_timeout=2.0) as hasty_url:
        ada = Client(url)
        hasty = Client(hasty_url, ada.secret)
        thread_id = ada.ask("widget").thread_id
        action = {"type": "wait", "payload": {}}
        events = hasty.events("threads.custom_action", thread_id=thread_id, action=action)
        late = hasty.post("threads.sync_custom_action", thread_id=thread_id, action=action)
        reply = ada.ask("hello", thread_id)

    assert (events[-1]["type"], events[-1]["message"]) == ("error", "This took too long.")
    assert late.status_code == 503
    assert late.json()["error"]["message"] == "This took too long. Try again."
    assert reply.error is None


def test_a_widget_that_is_stopped_half_way_is_kept_as_it_was_shown(own_url: str) -> None:
    ada = Client(own_url)
    with ada.stream("threads.create", input=message("half a widget")) as events:
        thread_id = next(e for e in events if e["type"] == "thread.created")["thread"]["id"]
        next(e for e in events if e["type"] == "thread.item.updated")
        stopped = ada.send({"thread_id": thread_id}, path="/chatkit/stop")
        last = list(events)[-1]

    assert stopped.status_code == 200
    assert last["type"] == "thread.item.done"
    stored = ada.items(thread_id)[1]
    assert stored == last["item"]
    assert shown(stored) == ("Hello", "0 likes")


def test_threads_sync_custom_action_stores_what_it_answers_with(own_url: str) -> None:
    ada = Client(own_url)
    reply = ada.ask("widget")
    widget = ada.items(reply.thread_id)[1]
    like = {"type": "like", "payload": {}}

    sent = {"thread_id": reply.thread_id, "action": like}
    response = ada.post("threads.sync_custom_action", item_id=widget["id"], **sent)
    nothing = ada.post("threads.sync_custom_action", **sent)

    assert (nothing.status_code, nothing.json()) == (200, {})
    updated = response.json()["updated_item"]
    assert shown(updated) == ("Hello", "1 likes")
    assert ada.items(reply.thread_id)[1] == updated


@pytest.mark.parametrize("way", ["stop", "thread", "everything"])
def test_a_sync_action_that_waits_for_ever_is_stopped(
    own_url: str, database_url: str, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    ada = Client(own_url)
    thread_id = ada.ask("widget").thread_id
    sent = {"thread_id": thread_id, "action": {"type": "wait", "payload": {}}}
    held = "select 1 from chatkit.threads where turn_state = 'running'"
    with (
        caplog.at_level(logging.INFO, "chatkit_server.turn"),
        ThreadPoolExecutor() as threads,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        acting = threads.submit(ada.post, "threads.sync_custom_action", **sent)
        until(lambda: connection.execute(held).fetchone())
        if way == "stop":
            stopped = ada.send({"thread_id": thread_id}, path="/chatkit/stop").json()
            assert stopped == {"stopped": True}
        elif way == "thread":
            ada.post("threads.delete", thread_id=thread_id)
        else:
            headers = {"X-Session-Id": ada.secret}
            gone = httpx.delete(f"{own_url}/chatkit/me", headers=headers, timeout=30)
            assert gone.json() == {"threads": 1}
        response = acting.result(30)

    assert (response.status_code, response.json()["error"]["message"]) == (
        409,
        "This was stopped meanwhile.",
    )
    [turn] = [json.loads(record.getMessage()) for record in caplog.records]
    assert (turn["request"], turn["outcome"]) == ("threads.sync_custom_action", "stopped")


def test_threads_sync_custom_action_touches_no_other_thread(
    own_url: str, database_url: str
) -> None:
    ada, bob = Client(own_url), Client(own_url)
    mine, other, theirs = ada.ask("widget"), ada.ask("widget"), bob.ask("widget")
    widget = ada.items(mine.thread_id)[1]["id"]
    before = dump(database_url)

    for item_id in (ada.items(other.thread_id)[1]["id"], bob.items(theirs.thread_id)[1]["id"], "x"):
        action = {"type": "foreign", "payload": {"item_id": item_id}}
        response = ada.post(
            "threads.sync_custom_action", thread_id=mine.thread_id, item_id=widget, action=action
        )
        assert response.status_code == 404
    assert dump(database_url) == before


@pytest.mark.parametrize("kind", ["threads.custom_action", "threads.sync_custom_action"])
def test_an_action_is_refused_where_it_has_no_place(
    own_url: str, database_url: str, kind: str
) -> None:
    ada, bob = Client(own_url), Client(own_url)
    mine, theirs = ada.ask("hello"), bob.ask("widget")
    answer = ada.items(mine.thread_id)[1]["id"]
    foreign = bob.items(theirs.thread_id)[1]["id"]
    before = dump(database_url)

    def status(**params: Any) -> int:
        action = {"type": "root", "payload": {}}
        return ada.post(
            kind, **{"thread_id": mine.thread_id, "action": action, **params}
        ).status_code

    assert status(item_id=answer) == 400
    assert status(item_id=foreign) == 404
    assert status(thread_id=theirs.thread_id) == 404
    assert status(thread_id=theirs.thread_id, item_id=foreign) == 404
    assert status(action={"type": "", "payload": {}}) == 400
    assert status(action={"type": "x" * 201, "payload": {}}) == 400
    assert status(action={"type": "x", "payload": {"text": "x" * 17_000}}) == 413
    assert dump(database_url) == before


def test_an_answer_that_is_being_written_keeps_actions_out(start_own: StartOwn) -> None:
    with start_own() as url:
        ada = Client(url)
        with ada.stream("threads.create", input=message("half a widget")) as events:
            thread_id = next(e for e in events if e["type"] == "thread.created")["thread"]["id"]
            for kind in ("threads.custom_action", "threads.sync_custom_action"):
                action = {"type": "root", "payload": {}}
                response = ada.post(kind, thread_id=thread_id, action=action)
                assert (response.status_code, response.json()["error"]["code"]) == (409, "busy")
