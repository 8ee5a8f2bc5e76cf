"""Feedback: whose, on which items, of which kind, and when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg
import pytest

from chatkit_server.identity import anonymous_user
from tests.fixtures.app import Client

Row = tuple[str | None, str, str, str, datetime]


def stored(database_url: str) -> list[Row]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        found: list[Any] = connection.execute(
            "select user_id, thread_id, item_id, kind, updated_at from chatkit.feedback"
            " order by item_id"
        ).fetchall()
    return found


def now(database_url: str) -> datetime:
    """By the database's clock."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        found = connection.execute("select clock_timestamp()").fetchone()
    assert found is not None
    return datetime.fromisoformat(str(found[0]))


def rate(client: Client, thread_id: str, items: list[str], kind: str = "positive") -> Any:
    return client.post("items.feedback", thread_id=thread_id, item_ids=items, kind=kind)


def test_items_feedback_is_kept_with_who_what_and_when(own_url: str, database_url: str) -> None:
    ada = Client(own_url)
    thread_id = ada.ask("hello").thread_id
    ids = sorted(item["id"] for item in ada.items(thread_id))

    before = now(database_url)
    first = rate(ada, thread_id, [*ids, ids[0]])
    between = now(database_url)
    rate(ada, thread_id, ids[:1], "negative")
    after = now(database_url)

    assert (first.status_code, first.json()) == (200, {})
    who = anonymous_user(ada.secret)
    rows = stored(database_url)
    # A second verdict replaces the first, with its time; the other one stays.
    assert [row[:4] for row in rows] == [
        (who, thread_id, ids[0], "negative"),
        (who, thread_id, ids[1], "positive"),
    ]
    assert between <= rows[0][4] <= after
    assert before <= rows[1][4] <= between


def test_feedback_on_what_is_not_there_is_refused_as_a_whole(
    own_url: str, database_url: str
) -> None:
    ada, bob = Client(own_url), Client(own_url)
    mine, other, theirs = ada.ask("a").thread_id, ada.ask("b").thread_id, bob.ask("c").thread_id
    item = ada.items(mine)[1]["id"]

    for wrong in ("msg_unknown", ada.items(other)[1]["id"], bob.items(theirs)[1]["id"]):
        assert rate(ada, mine, [item, wrong]).status_code == 404
    assert rate(bob, mine, [item]).status_code == 404
    assert rate(ada, "thr_unknown", [item]).status_code == 404
    assert stored(database_url) == []


@pytest.mark.parametrize(
    ("items", "kind"),
    [([], "positive"), (["x"] * 101, "positive"), (["x"], "great"), ("x", "positive")],
)
def test_feedback_of_another_form_is_400(own_url: str, items: Any, kind: str) -> None:
    ada = Client(own_url)
    thread_id = ada.ask("hello").thread_id

    assert rate(ada, thread_id, items, kind).status_code == 400


def test_feedback_goes_with_what_it_is_on(own_url: str, database_url: str) -> None:
    ada = Client(own_url)
    thread_id = ada.ask("hello").thread_id
    question, answer = (item["id"] for item in ada.items(thread_id))
    rate(ada, thread_id, [question, answer])

    ada.events("threads.retry_after_item", thread_id=thread_id, item_id=question)
    assert [row[2] for row in stored(database_url)] == [question]

    ada.post("threads.delete", thread_id=thread_id)
    assert stored(database_url) == []
