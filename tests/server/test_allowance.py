"""A budget of tokens a day, and a switch for all servers: what readers get, and what it costs."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from chatkit.types import ThreadItem, ThreadMetadata

from chatkit_server.allowance import Allowance
from chatkit_server.errors import RequestError
from chatkit_server.testing import Fail, Say, ScriptedModel
from tests.fixtures.app import Client, Reply, StartServer, message
from tests.fixtures.command import run
from tests.fixtures.flights import Flights
from tests.fixtures.postgres import rows
from tests.server.test_turns import until

QUESTION = "How do I connect to Neon?"
TOKENS = 120
"""That the scripted model says of each call."""


def is_quoted(reply: Reply) -> bool:
    """Whether the docs were quoted, and the reader was told why."""
    assert reply.error is None
    notices = [event["message"] for event in reply.of("notice")]
    assert bool(notices) == ("This is what the docs say" in reply.text)
    return bool(notices)


def used(dsn: str) -> dict[str, int]:
    return dict(asyncio.run(rows(dsn, "select user_id, tokens from chatkit.usage")))


def ask_in_turn(dsn: str, model: ScriptedModel, *visitors: Client) -> list[Reply]:
    """A question of each, whose server is told all that was used before: it is saved beside it."""
    replies = []
    for visitor in visitors:
        replies.append(visitor.ask(QUESTION))
        until(lambda: used(dsn).get("", 0) == TOKENS * len(model.requests))
    return replies


@contextmanager
def with_model(start_server: StartServer, model: ScriptedModel, **values: Any) -> Iterator[Client]:
    with start_server(openai_base_url=model.base_url, model="m", **values) as url:
        yield Client(url)


def test_a_visitor_whose_budget_is_spent_gets_quotes(
    start_server: StartServer, database_url: str
) -> None:
    with (
        ScriptedModel(Say("Set it [1].")) as model,
        with_model(start_server, model, daily_tokens_per_visitor=200) as ada,
    ):
        replies = ask_in_turn(database_url, model, *[ada] * 4)
        other = Client(ada.url).ask(QUESTION)
        stored = ada.items(replies[3].thread_id)

    assert [is_quoted(reply) for reply in replies] == [False, False, True, True]
    assert "until midnight UTC" in replies[2].of("notice")[0]["message"]
    assert replies[2].urls
    assert not is_quoted(other)
    assert len(model.requests) == 3
    assert [item["type"] for item in stored] == ["user_message", "assistant_message"]


def test_a_budget_of_all_holds_for_new_visitors_too(
    start_server: StartServer, database_url: str
) -> None:
    with (
        ScriptedModel(Say("Set it [1].")) as model,
        with_model(start_server, model, daily_tokens=200) as ada,
    ):
        replies = ask_in_turn(database_url, model, *(Client(ada.url) for _ in range(4)))

    assert [is_quoted(reply) for reply in replies] == [False, False, True, True]
    assert len(model.requests) == 2


def test_servers_share_the_budget_and_a_restart_keeps_it(
    start_server: StartServer, database_url: str
) -> None:
    with ScriptedModel(Say("Set it [1].")) as model:
        with with_model(start_server, model, daily_tokens_per_visitor=100) as ada:
            assert not is_quoted(ada.ask(QUESTION))
        # It has saved what was used before it ended.
        assert sorted(used(database_url).values()) == [TOKENS, TOKENS]
        with with_model(start_server, model, daily_tokens_per_visitor=100) as later:
            assert is_quoted(Client(later.url, ada.secret).ask(QUESTION))
            assert not is_quoted(later.ask(QUESTION))


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_without_a_providers_word_tokens_are_estimated(
    start_server: StartServer, database_url: str, api: str
) -> None:
    words = "Set the connection string as it is shown in the console of the project. " * 20
    with (
        ScriptedModel(Say(words, cut=40, usage=False)) as model,
        with_model(start_server, model, model_api=api, daily_tokens=10**6) as ada,
    ):
        assert not is_quoted(ada.ask(QUESTION))

    # The instructions, the question and three passages; and 1,440 characters of an answer.
    assert 700 < used(database_url)[""] < 3000


def test_a_stopped_answer_counts(
    start_server: StartServer, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chatkit_server.turn")
    with (
        ScriptedModel(Say("One two three four five six", hold_after=4)) as model,
        with_model(start_server, model, daily_tokens=10**6) as ada,
    ):
        with ada.stream("threads.create", input=message(QUESTION)) as events:
            for event in events:
                if event.get("update", {}).get("delta"):
                    break
        model.wait_for(lambda m: m.requests[0].hung_up_at is not None)

    [line] = [json.loads(r.getMessage()) for r in caplog.records if "turn_id" in r.getMessage()]
    assert line["outcome"] == "stopped"
    assert line["input_tokens"] > 200
    assert line["output_tokens"] > 0
    assert used(database_url)[""] == line["input_tokens"] + line["output_tokens"]


def test_a_model_that_refuses_costs_nothing(start_server: StartServer, database_url: str) -> None:
    with (
        ScriptedModel(Fail(500)) as model,
        with_model(start_server, model, daily_tokens=10**6) as ada,
    ):
        assert is_quoted(ada.ask(QUESTION))

    assert used(database_url) == {}


def test_without_a_budget_nothing_is_counted(start_server: StartServer, database_url: str) -> None:
    with ScriptedModel(Say("Set it [1].")) as model, with_model(start_server, model) as ada:
        assert not is_quoted(ada.ask(QUESTION))

    assert used(database_url) == {}


async def test_a_budget_costs_no_round_trip_before_the_model(
    start_server: StartServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another reason for a round trip, where the way to the model takes long.
    monkeypatch.setattr("chatkit_server.lease.CHECKPOINT", 600.0)
    before: list[int] = []
    async with Flights.to(database_url, delay=0.005) as flights:

        def answer(_: object) -> Say:
            before.append(flights.count)
            return Say("Set it [1].")

        def talk() -> None:
            with (
                ScriptedModel(answer) as model,
                with_model(
                    start_server, model, database_url=flights.dsn, daily_tokens=10**6
                ) as ada,
            ):
                thread_id = None
                for _ in range(3):
                    # What the turn before has used is saved by now.
                    until(lambda: used(database_url).get("", 0) == TOKENS * len(before))
                    flights.reset()
                    reply = ada.ask(QUESTION, thread_id)
                    thread_id = thread_id or reply.thread_id

        await asyncio.to_thread(talk)

    assert before == [1, 1, 1]


def switch(database_url: str, folder: Path, *arguments: str) -> str:
    """`chatkit-server answering`, as an operator runs it; what it prints."""
    done = run(folder, "answering", *arguments, DATABASE_URL=database_url)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_answering_is_switched_off_at_once_for_all_servers(
    start_server: StartServer, database_url: str, tmp_path: Path
) -> None:
    origin = "https://docs.acme.io"
    told = "We are mending the docs. Please come back at noon."
    with (
        ScriptedModel(Say("Set it [1].")) as model,
        with_model(start_server, model, allowed_origins=(origin,)) as ada,
        with_model(start_server, model) as elsewhere,
    ):
        same = Client(elsewhere.url, ada.secret)
        thread_id = ada.ask(QUESTION).thread_id
        assert switch(database_url, tmp_path) == "Answering is on.\n"
        before = len(model.requests)

        assert switch(database_url, tmp_path, "off", "--message", told).endswith(f"{told}\n")

        create = {"type": "threads.create", "params": {"input": message(QUESTION)}}
        again = {"thread_id": thread_id, "input": message("And then?")}
        retry = {"thread_id": thread_id, "item_id": ada.items(thread_id)[0]["id"]}
        refusals = [
            ada.send(create, headers={"Origin": origin}),
            same.send(create),
            same.post("threads.add_user_message", **again),
            ada.post("threads.retry_after_item", **retry),
        ]
        assert [refusal.status_code for refusal in refusals] == [503] * 4
        assert refusals[0].json() == {"error": {"code": "answering_off", "message": told}}
        assert refusals[0].headers["retry-after"] == "60"
        assert refusals[0].headers["access-control-allow-origin"] == origin
        assert [thread["id"] for thread in ada.threads()] == [thread_id]
        assert len(ada.items(thread_id)) == 2
        assert len(model.requests) == before

        switch(database_url, tmp_path, "off")
        assert "switched off" in ada.send(create).json()["error"]["message"]

        switch(database_url, tmp_path, "on")
        assert not is_quoted(same.ask("And then?", thread_id))


def test_answers_can_be_switched_to_quotes(
    start_server: StartServer, database_url: str, tmp_path: Path
) -> None:
    with ScriptedModel(Say("Set it [1].")) as model, with_model(start_server, model) as ada:
        switch(database_url, tmp_path, "quotes", "--message", "The model has a day off.")
        reply = ada.ask(QUESTION)
        assert is_quoted(reply)
        assert reply.of("notice")[0]["message"] == "The model has a day off."
        assert reply.urls
        assert model.requests == []

        switch(database_url, tmp_path, "on")
        assert not is_quoted(ada.ask(QUESTION))


def test_an_answer_that_is_being_written_is_stopped_and_kept(
    start_server: StartServer, database_url: str, tmp_path: Path
) -> None:
    with (
        ScriptedModel(Say("One two three four five six", hold_after=4)) as model,
        with_model(start_server, model) as ada,
        ada.stream("threads.create", input=message(QUESTION)) as events,
    ):
        thread_id = next(events)["thread"]["id"]
        for event in events:
            if event.get("update", {}).get("delta"):
                break
        switch(database_url, tmp_path, "off")
        # The model holds the rest back: only the switch ends this.
        for _ in events:
            pass

        model.wait_for(lambda m: m.requests[0].hung_up_at is not None)
        kept = ada.items(thread_id)[-1]
        assert kept["type"] == "assistant_message"
        assert "One two three".startswith(kept["content"][0]["text"][:8])


def test_the_commands_say_how_it_stands_in_a_sentence(database_url: str, tmp_path: Path) -> None:
    unmigrated = urlsplit(database_url)._replace(path="/postgres").geturl()

    switch(database_url, tmp_path, "off", "--message", "Back at noon.")
    asked = run(tmp_path, "ask", QUESTION, DATABASE_URL=database_url)
    empty = run(tmp_path, "answering", DATABASE_URL=unmigrated)

    assert (asked.returncode, asked.stderr) == (1, "chatkit-server: Back at noon.\n")
    assert empty.returncode == 1
    assert "the database is not migrated" in empty.stderr
    assert len(empty.stderr.splitlines()) == 1


def test_a_message_for_readers_needs_a_mode_in_which_they_see_it(tmp_path: Path) -> None:
    done = run(tmp_path, "answering", "on", "--message", "Hello")

    assert done.returncode == 1
    assert "--message is for" in done.stderr


@dataclass(frozen=True)
class Found:
    mode: Literal["on", "quotes", "off"] = "on"
    message: str | None = None
    user_tokens: int = 0
    tokens: int = 0


@dataclass(frozen=True)
class Start:
    answering: Found | None
    refusal: Literal["busy", "locked", "closed", "not_a_message", "off"] | None = None
    before: None = None

    @property
    def thread(self) -> ThreadMetadata:
        return ThreadMetadata(id="thr_1", created_at=datetime.now(UTC))

    @property
    def items(self) -> list[ThreadItem]:
        return []


async def test_while_the_database_is_away_the_last_known_holds() -> None:
    saved: Counter[str] = Counter()
    away = True

    async def add_usage(tokens: Mapping[str, int]) -> None:
        if away:
            raise ConnectionError("away")
        saved.update(tokens)

    allowance = Allowance(add_usage, per_user=100, in_all=1000)
    assert allowance.judge(Start(None), "ada") is None
    assert allowance.judge(Start(Found("quotes", "Later.")), "ada") == "Later."
    assert allowance.judge(Start(None), "ada") == "Later."
    with pytest.raises(RequestError, match="Not now"):
        allowance.judge(Start(Found("off", "Not now."), "off"), "ada")
    with pytest.raises(RequestError, match="Not now"):
        allowance.judge(Start(None), "ada")

    # It counts by itself meanwhile, and saves that later.
    assert allowance.judge(Start(Found(tokens=850)), "ada") is None
    allowance.spend("ada", 100)
    await allowance.close()
    assert "You have used up" in (allowance.judge(Start(None), "ada") or "")
    assert allowance.judge(Start(None), "bob") is None
    allowance.spend("bob", 50)
    await allowance.close()
    assert "done its work" in (allowance.judge(Start(None), "eve") or "")
    assert saved == {}
    away = False
    allowance.spend("bob", 1)
    await allowance.close()
    assert saved == {"ada": 100, "bob": 51}
