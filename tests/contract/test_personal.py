"""`/chatkit/me`: readers get, and delete, everything of theirs and nothing of others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from chatkit_server.testing import Say, ScriptedModel
from tests.fixtures.app import Client, StartServer
from tests.fixtures.files import LOG, PNG, SECRET, ask_about, download, upload, upload_directly
from tests.server.test_database_down import Line, StartAway, line, start, until_replayed
from tests.server.test_turns import running, until

__all__ = ["line", "start"]
NEON = "How do I connect to Neon?"


def me(client: Client, method: str = "GET", **headers: str) -> httpx.Response:
    return httpx.request(
        method,
        f"{client.url}/chatkit/me",
        headers={"X-Session-Id": client.secret, **headers},
        timeout=30,
    )


def lines(response: httpx.Response) -> dict[str, list[dict[str, Any]]]:
    """The lines of an export by their type."""
    assert response.status_code == 200, response.text
    found: dict[str, list[dict[str, Any]]] = {"thread": [], "item": [], "attachment": []}
    for text in response.text.splitlines():
        line = json.loads(text)
        found[line["type"]].append(line)
    return found


@pytest.fixture
def folder_url(start_server: StartServer, tmp_path: Path) -> Iterator[str]:
    with start_server(attachments=str(tmp_path / "files"), secret=SECRET) as url:
        yield url


def test_readers_export_all_that_is_theirs(folder_url: str) -> None:
    ada, bob = Client(folder_url), Client(folder_url)
    bobs = bob.ask("What is a loaf of bread?")
    sent = upload(ada, PNG)
    unsent = upload_directly(ada, LOG.encode(), "log.txt").json()["id"]
    first = ada.ask(NEON)
    second = ask_about(ada, "And this?", sent)
    rated = {"thread_id": first.thread_id, "item_ids": [first.answer["id"]], "kind": "negative"}
    assert ada.post("items.feedback", **rated).status_code == 200

    response = me(ada)
    found = lines(response)

    assert response.headers["content-type"] == "application/x-ndjson"
    assert response.headers["content-disposition"] == 'attachment; filename="chats.jsonl"'
    assert response.headers["cache-control"] == "no-store"
    assert [line["id"] for line in found["thread"]] == [first.thread_id, second.thread_id]
    assert found["thread"][0]["title"] == NEON
    kept = [item["id"] for line in found["thread"] for item in ada.items(line["id"])]
    assert [line["item"]["id"] for line in found["item"]] == kept
    verdicts = {line["item"]["id"]: line["feedback"]["kind"] for line in found["item"]
                if "feedback" in line}  # fmt: skip
    assert verdicts == {first.answer["id"]: "negative"}
    files = {line["attachment"]["id"]: line["thread_id"] for line in found["attachment"]}
    assert files == {sent: second.thread_id, unsent: None}
    assert bobs.thread_id not in response.text
    assert [line["id"] for line in lines(me(bob))["thread"]] == [bobs.thread_id]


def test_readers_delete_all_that_is_theirs(folder_url: str, tmp_path: Path) -> None:
    ada, bob = Client(folder_url), Client(folder_url)
    bobs = ask_about(bob, "What is a loaf of bread?", upload(bob, PNG))
    [bobs_file] = (tmp_path / "files").iterdir()
    asked = ask_about(ada, NEON, upload(ada, PNG))
    ada.ask("Is there a zeppelin museum?")
    unsent = upload(ada, PNG)

    gone = me(ada, "DELETE")
    again = me(ada, "DELETE")

    assert (gone.status_code, gone.json()) == (200, {"threads": 2})
    assert (again.status_code, again.json()) == (200, {"threads": 0})
    assert ada.threads() == []
    assert me(ada).text == ""
    assert ada.post("threads.get_by_id", thread_id=asked.thread_id).status_code == 404
    assert download(ada, unsent).status_code == 404
    assert list((tmp_path / "files").iterdir()) == [bobs_file]
    assert [thread["id"] for thread in bob.threads()] == [bobs.thread_id]
    assert len(bob.items(bobs.thread_id)) == 2
    # And they may begin anew.
    assert ada.ask(NEON).error is None
    assert len(ada.threads()) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_nobody_gets_anything_without_saying_who_they_are(ada: Client, method: str) -> None:
    ada.ask(NEON)

    unknown = httpx.request(method, f"{ada.url}/chatkit/me")
    weak = me(Client(ada.url, secret="short"), method)

    assert (unknown.status_code, weak.status_code) == (401, 401)
    if method != "HEAD":
        assert unknown.json()["error"]["code"] == "unauthorized"
    assert len(ada.threads()) == 1


def test_a_client_learns_whether_the_server_offers_it(ada: Client) -> None:
    offered = me(ada, "HEAD")

    assert (offered.status_code, offered.content) == (200, b"")
    assert offered.headers["content-type"] == "application/x-ndjson"


def test_pages_of_allowed_origins_may_ask(start_server: StartServer) -> None:
    origin = "https://docs.example.com"
    with start_server(allowed_origins=(origin,)) as url:
        for method in ("GET", "HEAD", "DELETE"):
            preflight = httpx.options(
                f"{url}/chatkit/me",
                headers={
                    "Origin": origin,
                    "Access-Control-Request-Method": method,
                    "Access-Control-Request-Headers": "x-session-id",
                },
            )
            assert preflight.status_code == 200, preflight.text
            assert me(Client(url), method, Origin=origin).headers[
                "access-control-allow-origin"
            ] == origin  # fmt: skip


def test_exports_and_deletions_are_limited_together(start_server: StartServer) -> None:
    with start_server(visitor_exports="2/hour") as url:
        ada, bob = Client(url), Client(url)
        allowed = [me(ada).status_code, me(ada, "DELETE").status_code]
        refused = [me(ada), me(ada, "DELETE")]

        assert allowed == [200, 200]
        for response in refused:
            assert response.status_code == 429
            assert response.json()["error"]["code"] == "rate_limited"
            assert int(response.headers["retry-after"]) > 0
        assert me(ada, "HEAD").status_code == 200
        assert me(bob).status_code == 200
        assert ada.threads() == []


@pytest.mark.parametrize("replica", ["same", "other"])
def test_an_answer_stops_that_is_being_written(
    start_server: StartServer, replica: str, database_url: str
) -> None:
    # It is never released: an answer that came to its end was stopped.
    with ScriptedModel(Say("One two three four", hold_after=3)) as model:
        values = {"openai_base_url": model.base_url, "model": "m"}
        with start_server(**values) as url, start_server(**values) as other:
            ada = Client(url)
            elsewhere = ada if replica == "same" else Client(other, ada.secret)
            with running(ada) as (thread_id, events):
                gone = me(elsewhere, "DELETE")
                rest = list(events)

            assert gone.json() == {"threads": 1}
            assert "four" not in json.dumps(rest)
            assert ada.threads() == []
            assert me(ada).text == ""
            assert ada.post("threads.get_by_id", thread_id=thread_id).status_code == 404
            with psycopg.connect(database_url) as connection:
                for table in ("items", "feedback", "unanswered", "attachments"):
                    found = connection.execute(f"select count(*) from chatkit.{table}".encode())
                    assert found.fetchone() == (0,), table


def test_nothing_comes_back_from_the_journal(start: StartAway, line: Line) -> None:
    with start(Say("Answer 1."), Say("Answer 2."), Say("Answer 3.")) as (ada, _):
        old = ada.ask(NEON)
        line.cut()
        ada.ask("What of the outage?")
        ada.ask("And here?", old.thread_id)
        away = me(ada, "DELETE")
        line.mend()
        until(lambda: me(ada).status_code == 200)
        gone = me(ada, "DELETE")
        until_replayed(ada)

        assert (away.status_code, away.json()["error"]["code"]) == (503, "unavailable")
        assert gone.json() == {"threads": 2}
        assert ada.threads() == []
        assert me(ada).text == ""
