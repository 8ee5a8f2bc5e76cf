"""Answers to a form are checked against its questions before anything is stored."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.app import Client
from tests.fixtures.own_server import StartOwn, dump


def submit(client: Client, thread_id: str, item_id: str, answers: Any, **more: Any) -> Any:
    return client.post(
        "threads.add_structured_input",
        thread_id=thread_id,
        item_id=item_id,
        input={"answers": answers, **more},
    )


def ask(client: Client) -> tuple[str, str]:
    """A thread with a form that waits for its answers."""
    thread_id = client.ask("form").thread_id
    return thread_id, client.items(thread_id)[-1]["id"]


def test_threads_add_structured_input_keeps_the_answers(own_url: str) -> None:
    ada = Client(own_url)
    thread_id, form = ask(ada)

    answers = {
        "version": {"values": ["2"]},
        "systems": {"values": ["Windows", "Linux"]},
        "notes": {"values": ["Behind a proxy."]},
    }
    assert submit(ada, thread_id, form, answers).status_code == 200

    stored = ada.items(thread_id)[1]
    assert stored["status"] == "answered"
    assert {q["id"]: q["answer"]["values"] for q in stored["inputs"]} == {
        "version": ["2"],
        "systems": ["Windows", "Linux"],
        "notes": ["Behind a proxy."],
    }


@pytest.mark.parametrize(
    ("answers", "more", "status"),
    [
        ({}, {"status": "skipped"}, "skipped"),
        ({}, {}, "answered"),
        ({"version": {"skipped": True}, "notes": {"values": []}}, {}, "answered"),
        ({"version": {"values": ["9"], "skipped": True}}, {}, "answered"),
    ],
)
def test_every_question_may_be_skipped(
    own_url: str, answers: Any, more: dict[str, Any], status: str
) -> None:
    ada = Client(own_url)
    thread_id, form = ask(ada)

    assert submit(ada, thread_id, form, answers, **more).status_code == 200

    stored = ada.items(thread_id)[1]
    assert stored["status"] == status
    assert all(question["answer"]["skipped"] for question in stored["inputs"])


@pytest.mark.parametrize(
    ("answers", "status", "said"),
    [
        ({"version": {"values": ["3"]}}, 400, "one of these: 1; 2"),
        ({"version": {"values": ["1", "2"]}}, 400, "takes one value"),
        ({"systems": {"values": ["Linux", "BeOS"]}}, 400, "some of these: Linux; macOS"),
        ({"systems": {"values": ["Linux", "Linux"]}}, 400, "twice"),
        ({"notes": {"values": ["a", "b"]}}, 400, "takes one value"),
        ({"notes": {"values": ["x" * 8001]}}, 413, "8,000"),
        ({"elsewhere": {"values": ["1"]}}, 400, "version, systems, notes"),
        ({str(number): {"skipped": True} for number in range(101)}, 400, "100"),
        ({"systems": {"values": [str(number) for number in range(101)]}}, 400, "100"),
        ({"version": {"values": [1]}}, 400, "values"),
        ({"version": "1"}, 400, "version"),
        ([], 400, "answers"),
    ],
)
def test_wrong_answers_are_refused_with_a_sentence(
    own_url: str, database_url: str, answers: Any, status: int, said: str
) -> None:
    ada = Client(own_url)
    thread_id, form = ask(ada)
    before = dump(database_url)

    refused = submit(ada, thread_id, form, answers)

    assert refused.status_code == status
    assert said in refused.json()["error"]["message"]
    assert dump(database_url) == before
    # The form waits on.
    assert submit(ada, thread_id, form, {"version": {"values": ["1"]}}).status_code == 200


def test_a_second_submission_is_409_and_changes_nothing(own_url: str, database_url: str) -> None:
    ada = Client(own_url)
    thread_id, form = ask(ada)
    submit(ada, thread_id, form, {"version": {"values": ["1"]}})
    before = dump(database_url)

    for status in ("answered", "skipped"):
        again = submit(ada, thread_id, form, {"version": {"values": ["2"]}}, status=status)
        assert (again.status_code, again.json()["error"]["code"]) == (409, "not_pending")
    assert dump(database_url) == before


def test_a_form_belongs_to_its_thread_and_its_user(own_url: str, database_url: str) -> None:
    ada, bob = Client(own_url), Client(own_url)
    thread_id, form = ask(ada)
    elsewhere, _ = ask(ada)
    bobs, _ = ask(bob)
    before = dump(database_url)

    answers = {"version": {"values": ["1"]}}
    assert submit(bob, thread_id, form, answers).status_code == 404
    assert submit(bob, bobs, form, answers).status_code == 404
    assert submit(ada, elsewhere, form, answers).status_code == 404
    assert submit(ada, thread_id, "msg_unknown", answers).status_code == 404
    assert dump(database_url) == before


def test_a_text_of_ones_own_is_taken_where_the_site_allows_it(start_own: StartOwn) -> None:
    with start_own(own_answers=True) as url:
        ada = Client(url)
        thread_id, form = ask(ada)
        two = {"systems": {"values": ["Linux", "BeOS", "Plan 9"]}}
        refused = submit(ada, thread_id, form, two)
        answers = {"version": {"values": ["3"]}, "systems": {"values": ["Linux", "BeOS"]}}
        taken = submit(ada, thread_id, form, answers)

    assert refused.status_code == 400
    assert "one text of your own at most" in refused.json()["error"]["message"]
    assert taken.status_code == 200
