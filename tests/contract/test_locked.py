"""A locked or closed thread takes nothing: each request that would go on in it is refused."""

from __future__ import annotations

from typing import Any, get_args

import psycopg
import pytest
from chatkit.types import StreamingReq

from tests.fixtures.app import Client, message
from tests.fixtures.own_server import dump

ACTION = {"type": "root", "payload": {}}
# For each request that goes on in a thread: what is asked before it is locked, and what is sent.
GOING_ON: dict[str, tuple[str, dict[str, Any]]] = {
    "threads.add_user_message": ("hello", {"input": message("and?")}),
    "threads.retry_after_item": ("hello", {"item_id": "FIRST"}),
    "threads.add_client_tool_output": ("tool", {"result": 1}),
    "threads.add_structured_input": (
        "form",
        {"item_id": "LAST", "input": {"answers": {"version": {"values": ["1"]}}}},
    ),
    "threads.custom_action": ("widget", {"item_id": "LAST", "action": ACTION}),
    "threads.sync_custom_action": ("widget", {"item_id": "LAST", "action": ACTION}),
}


def test_every_streamed_request_is_looked_at() -> None:
    streamed = {kind.model_fields["type"].default for kind in get_args(StreamingReq)}

    # A new thread can't be locked yet; a sync action is not streamed.
    assert streamed - {"threads.create"} == GOING_ON.keys() - {"threads.sync_custom_action"}


@pytest.mark.parametrize("status", ["locked", "closed"])
@pytest.mark.parametrize("kind", GOING_ON)
def test_it_is_refused_before_anything_is_stored_and_taken_once_the_thread_is_open(
    own_url: str, database_url: str, kind: str, status: str
) -> None:
    ada = Client(own_url)
    question, params = GOING_ON[kind]
    thread_id = ada.ask(question).thread_id
    items = ada.items(thread_id)
    ids = {"FIRST": items[0]["id"], "LAST": items[-1]["id"]}
    sent = {
        name: ids.get(value, value) if isinstance(value, str) else value
        for name, value in params.items()
    }
    set_status(database_url, status)
    before = dump(database_url)

    refused = ada.post(kind, thread_id=thread_id, **sent)
    reading = ada.post("threads.get_by_id", thread_id=thread_id)

    assert (refused.status_code, refused.json()["error"]["code"]) == (409, status)
    assert dump(database_url) == before
    assert reading.json()["status"]["type"] == status
    # It was the status, and nothing else.
    set_status(database_url, "active")
    assert ada.post(kind, thread_id=thread_id, **sent).status_code == 200


def test_a_locked_thread_may_be_renamed_rated_and_deleted(own_url: str, database_url: str) -> None:
    ada = Client(own_url)
    thread_id = ada.ask("hello").thread_id
    answer = ada.items(thread_id)[1]["id"]
    set_status(database_url, "locked")

    rating = {"item_ids": [answer], "kind": "positive"}
    assert ada.post("threads.update", thread_id=thread_id, title="Old").status_code == 200
    assert ada.post("items.feedback", thread_id=thread_id, **rating).status_code == 200
    assert ada.threads()[0]["status"] == {"type": "locked"}
    assert ada.post("threads.delete", thread_id=thread_id).status_code == 200


def set_status(database_url: str, status: str) -> None:
    """What the site's owner does, past the server."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("update chatkit.threads set status = %s", (status,))
