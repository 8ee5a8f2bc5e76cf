"""Questions that the docs did not answer, as the owner of the site sees them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chatkit_server.gaps import group
from tests.fixtures.app import Client
from tests.fixtures.command import run

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@dataclass
class Question:
    data: dict[str, Any]
    kind: str = "not_covered"
    asked_at: datetime = field(default=NOON)


def asked(question: str, *, before: int = 0, kind: str = "not_covered", **data: Any) -> Question:
    values = {"question": question, "query": question, "wording": "asked", "nearest": [], **data}
    return Question(values, kind, NOON - timedelta(hours=before))


def near(url: str, *headings: str) -> list[dict[str, Any]]:
    return [{"url": url, "title": "Page", "headings": list(headings)}]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I configure OIDC?", "how can i configure oidc"),
        ("Is there a Kubernetes operator?", "kubernetes operators"),
        ("Does it support exporting chats to CSV?", "How do I export chats to CSV"),
        ("why?", "??"),
    ],
)
def test_questions_that_ask_the_same_are_put_together(one: str, other: str) -> None:
    assert [len(found.questions) for found in group([asked(one), asked(other)])] == [2]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I configure OIDC?", "How do I configure SAML?"),
        ("export chats to CSV", "import chats from CSV"),
        ("Is there a Kubernetes operator?", "hm?"),
    ],
)
def test_different_questions_are_not(one: str, other: str) -> None:
    assert len(group([asked(one), asked(other)])) == 2


def test_the_most_frequent_comes_first_with_its_nearest_place() -> None:
    questions = [
        asked("Is there dark mode?"),
        asked("SAML login?", before=1, nearest=near("/docs/b#x", "X")),
        asked("SAML for login", before=2, nearest=near("/docs/a#y", "Y"), kind="not_cited"),
        asked("saml login", before=3, nearest=near("/docs/a#y", "Y")),
    ]

    first, second = group(questions)

    assert first.summary() == {
        "count": 3,
        "question": "SAML login?",
        "kinds": {"not_covered": 2, "not_cited": 1},
        "last_asked_at": "2026-11-20T11:00:00+00:00",
        "nearest": near("/docs/a#y", "Y")[0],
        "asked": [
            {"at": question.asked_at.isoformat(), "kind": question.kind, **question.data}
            for question in questions[1:]
        ],
    }
    assert list(first.lines()) == [
        "   3 × SAML login?",
        "       also: SAML for login",
        "       also: saml login",
        "       nearest: Page › Y  /docs/a#y",
        "       last: 2026-11-20 11:00",
    ]
    assert list(second.lines()) == ["   1 × Is there dark mode?", "       last: 2026-11-20 12:00"]


def test_a_follow_up_is_shown_in_the_words_that_were_searched_for() -> None:
    [found] = group([asked("and with SAML?", query="login with SAML", wording="rewritten")])

    assert found.summary()["question"] == "login with SAML"


def test_nothing_that_a_reader_writes_reaches_the_terminal_as_a_command() -> None:
    evil = "red \x1b[31m\x9b2J\x07 \u202e\r\nnew line"
    [found] = group([asked(evil, place={"url": evil}, nearest=near(evil, evil))])

    shown = "\n".join(found.lines())
    assert not set(shown) & set("\x1b\x9b\x07\u202e\r")
    assert len(shown.splitlines()) == 4


def test_many_questions_are_put_together_in_no_time() -> None:
    questions = [asked(f"How do I configure thing{n % 5000} for SAML?") for n in range(10_000)]

    groups = group(questions)

    assert len(groups) == 5000
    assert {len(found.questions) for found in groups} == {2}


def test_the_command_lists_them(place: Path, ada: Client, database_url: str) -> None:
    none = run(place, "unanswered", DATABASE_URL=database_url)
    for question in (
        "Which loaf has Helm charts?",
        "How do I connect to Neon?",
        "which loaf has helm charts",
        "Is there a zeppelin museum?",
    ):
        ada.ask(question)
    plain = run(place, "unanswered", DATABASE_URL=database_url)
    as_json = run(place, "unanswered", "--json", "--limit", "1", DATABASE_URL=database_url)

    assert none.stdout == "Nothing was left unanswered in the last 30 days.\n"
    assert plain.returncode == 0, plain.stderr
    lines = plain.stdout.splitlines()
    assert lines[0] == "   2 × which loaf has helm charts"
    assert "nearest: Baking bread" in plain.stdout
    assert "   1 × Is there a zeppelin museum?" in lines
    assert "Neon" not in plain.stdout
    [first] = json.loads(as_json.stdout)
    assert (first["count"], first["kinds"]) == (2, {"not_covered": 2})
    assert first["asked"][0]["question"] == "which loaf has helm charts"
