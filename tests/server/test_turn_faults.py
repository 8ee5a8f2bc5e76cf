"""Turns that something goes wrong with from within: tools, ids, the database's refusals."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import psycopg
import pytest

from chatkit_server.context import RequestContext
from chatkit_server.server import DocsServer
from chatkit_server.testing import Answer, Call, Fail, Say
from tests.fixtures.app import Reply, StartScripted, message
from tests.fixtures.flights import Flights
from tests.fixtures.modules import WriteModule
from tests.server.test_turns import running, stop, texts, until

QUESTION = message("How do I connect to Neon?")

MODULE = '''
from datetime import UTC, datetime
from typing import Any

from agents import Agent, RunContextWrapper, StopAtTools, function_tool
from chatkit.agents import AgentContext, ClientToolCall
from chatkit.types import (
    ClientEffectEvent,
    HiddenContextItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemReplacedEvent,
    WidgetItem,
    Workflow,
    CustomTask,
)
from chatkit.widgets import Card, Text


@function_tool
async def effect(context: RunContextWrapper[AgentContext[Any]]) -> str:
    """Send what JSON can't hold."""
    await context.context.stream(ClientEffectEvent(name="odd", data={"value": object()}))
    return "sent"


@function_tool
async def weather(context: RunContextWrapper[AgentContext[Any]]) -> str:
    """Show a widget that has the same id in all threads."""
    chat = context.context
    item = WidgetItem(
        id="weather",
        thread_id=chat.thread.id,
        created_at=datetime.now(UTC),
        widget=Card(children=[Text(value="Sunny")]),
    )
    await chat.stream(ThreadItemDoneEvent(item=item))
    return "shown"


@function_tool
async def think(context: RunContextWrapper[AgentContext[Any]]) -> str:
    """Show a step of work."""
    chat = context.context
    await chat.start_workflow(Workflow(type="custom", tasks=[CustomTask(title="Looking")]))
    await chat.end_workflow()
    return "thought"


@function_tool
async def note(context: RunContextWrapper[AgentContext[Any]]) -> str:
    """Keep something from the reader."""
    chat = context.context
    item = HiddenContextItem(
        id=chat.generate_id("message"),
        thread_id=chat.thread.id,
        created_at=datetime.now(UTC),
        content="SECRET",
    )
    await chat.stream(ThreadItemAddedEvent(item=item))
    await chat.stream(ThreadItemDoneEvent(item=item))
    await chat.stream(ThreadItemReplacedEvent(item=item))
    return "noted"


@function_tool
async def scroll(context: RunContextWrapper[AgentContext[Any]]) -> str:
    """Ask the page how far the reader has scrolled."""
    context.context.client_tool_call = ClientToolCall(name="scroll", arguments={})
    return "asked"


agent = Agent(
    name="guide",
    instructions="Guide.",
    tools=[effect, weather, think, note, scroll],
    tool_use_behavior=StopAtTools(stop_at_tool_names=["scroll"]),
)
'''

Start = Callable[..., Any]


@pytest.fixture
def start(start_scripted: StartScripted, write_module: WriteModule) -> Start:
    module = write_module("faulty_agent", MODULE)
    return partial(start_scripted, agent=f"{module}:agent")


def test_an_event_that_json_cannot_hold_is_left_out(start: Start) -> None:
    with start(Call("effect"), Say("Whole answer.")) as (client, _model):
        reply = client.ask("How do I connect to Neon?")

        assert reply.text == "Whole answer."
        assert reply.error is None
        assert reply.of("client_effect") == []
        assert texts(client, reply.thread_id) == ["Whole answer."]


def test_an_item_with_an_id_of_another_thread_costs_neither_the_answer_nor_the_thread(
    start: Start,
) -> None:
    with start(Call("weather"), Say("First."), Call("weather"), Say("Second."), Say("Third.")) as (
        client,
        _model,
    ):
        client.ask("How is the weather?")
        reply = client.ask("How is the weather?")
        again = client.post("threads.add_user_message", thread_id=reply.thread_id, input=QUESTION)

        assert again.status_code == 200
        assert reply.text == "Second."
        assert reply.error is not None
        assert texts(client, reply.thread_id) == ["Second.", "Third."]


def test_steps_of_work_replace_no_answer(start: Start) -> None:
    with start(Say("Old."), Call("think"), Fail(400)) as (client, _model):
        reply = client.ask("How do I connect to Neon?")
        thread_id = reply.thread_id
        first = client.items(thread_id)[0]["id"]
        retried = client.post("threads.retry_after_item", thread_id=thread_id, item_id=first)

        assert "error" in retried.text
        assert texts(client, thread_id) == ["Old."]


@pytest.mark.parametrize("answer", [Fail(500), Say(" ")], ids=["failed", "empty"])
def test_steps_of_work_are_no_answer(start: Start, answer: Answer) -> None:
    with start(Call("think"), answer) as (client, _model):
        reply = client.ask("How do I connect to Neon?")
        types = [item["type"] for item in client.items(reply.thread_id)]

    assert reply.error is None
    assert "only quotes the docs" in reply.of("notice")[-1]["message"]
    assert "DATABASE_URL" in reply.text
    assert types == ["user_message", "workflow", "assistant_message"]


def test_no_event_tells_of_a_hidden_item(start: Start) -> None:
    with start(Call("note"), Say("Done."), Say("Next.")) as (client, model):
        reply = client.ask("How do I connect to Neon?")
        client.ask("And then?", reply.thread_id)

        assert reply.text == "Done."
        assert "SECRET" not in json.dumps(reply.events)
        assert "SECRET" in model.requests[-1].text


async def test_a_call_of_a_client_tool_is_stored_when_it_is_told(
    start: Start, database_url: str
) -> None:
    def talk(dsn: str) -> list[tuple[str | None, bool]]:
        kept = "select data->>'status' from chatkit.items where kind = 'client_tool_call'"
        free = "select lease_until is null from chatkit.threads"
        with (
            start(Call("scroll"), database_url=dsn) as (client, _),
            psycopg.connect(database_url, autocommit=True) as connection,
            client.stream("threads.create", input=QUESTION) as events,
        ):
            return [
                (
                    (connection.execute(kept).fetchone() or (None,))[0],
                    (connection.execute(free).fetchone() or (False,))[0],
                )
                for event in events
                if event.get("item", {}).get("type") == "client_tool_call"
            ]

    async with Flights.to(database_url, delay=0.05) as flights:
        found = await asyncio.to_thread(talk, flights.dsn)

    assert found == [("pending", True)]


def test_a_thread_stays_held_while_an_item_cannot_be_stored(
    start: Start, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkit_server.lease.CHECKPOINT", 0.05)
    with (
        start(
            Call("weather"), Say("First."), Call("weather"), Say("One two three", hold_after=3)
        ) as (client, model),
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        client.ask("How is the weather?")
        with running(client) as (thread_id, events):
            lease = "select lease_until from chatkit.threads where id = %s"
            ends_at = connection.execute(lease, (thread_id,)).fetchone()
            until(lambda: connection.execute(lease, (thread_id,)).fetchone() != ends_at)
            second = connection.execute(lease, (thread_id,)).fetchone()
            until(lambda: connection.execute(lease, (thread_id,)).fetchone() != second)
            model.release()
            assert Reply(list(events)).text == "One two three"


def test_a_stop_reaches_an_answer_that_has_not_begun(start: Start, database_url: str) -> None:
    replies: list[Reply] = []
    answers: list[httpx.Response] = []
    heard = threading.Event()

    class Hearing(DocsServer):
        async def stop(self, thread_id: str, context: RequestContext) -> bool:
            stopping = asyncio.create_task(super().stop(thread_id, context))
            # It goes as far as to where it waits for the turn.
            await asyncio.sleep(0)
            heard.set()
            return await stopping

    script = Say("First."), Say("Second.", hold_after=1)
    with start(*script, server_class=Hearing) as (client, model):
        thread_id = client.ask("How do I connect to Neon?").thread_id
        with psycopg.connect(database_url) as connection:
            # Whoever is about to answer has to wait for this.
            connection.execute("select from chatkit.threads for update")
            asking = threading.Thread(
                target=lambda: replies.append(client.ask("And then?", thread_id))
            )
            asking.start()
            with psycopg.connect(database_url, autocommit=True) as other:
                waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
                while other.execute(waiting).fetchone() == (0,):
                    pass
            stopping = threading.Thread(target=lambda: answers.append(stop(client, thread_id)))
            stopping.start()
            assert heard.wait(60)
            connection.rollback()
        stopping.join()
        model.release()
        asking.join()

        assert [answer.json() for answer in answers] == [{"stopped": True}]
        assert texts(client, thread_id) == ["First."]


async def test_whatever_is_said_to_be_done_is_stored_by_then(
    start: Start, database_url: str
) -> None:
    def talk(dsn: str) -> list[tuple[str, bool]]:
        with (
            start(Call("weather"), Call("think"), Say("Sunny."), database_url=dsn) as (client, _),
            psycopg.connect(database_url, autocommit=True) as connection,
            client.stream("threads.create", input=QUESTION) as events,
        ):
            stored = "select exists (select from chatkit.items where id = %s)"
            return [
                (
                    event["item"]["type"],
                    (connection.execute(stored, (event["item"]["id"],)).fetchone() or (False,))[0],
                )
                for event in events
                if event["type"] == "thread.item.done"
            ]

    # The way to the database is slow, so that nothing is stored by chance.
    async with Flights.to(database_url, delay=0.05) as flights:
        found = await asyncio.to_thread(talk, flights.dsn)

    assert {kind for kind, _ in found} == {
        "user_message",
        "widget",
        "workflow",
        "assistant_message",
    }
    assert all(stored for _, stored in found)
