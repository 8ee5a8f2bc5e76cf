"""Request types that need an agent of one's own: client tools, questions and widget actions."""

from __future__ import annotations

from functools import partial

import pytest

from chatkit_server.testing import Call, Say
from tests.fixtures.app import StartScripted
from tests.fixtures.modules import WriteModule

MODULE = '''
from datetime import UTC, datetime
from typing import Any

from agents import Agent, RunContextWrapper, StopAtTools, function_tool
from chatkit.agents import AgentContext, ClientToolCall
from chatkit.types import (
    StructuredInputItem,
    StructuredInputMultipleChoice,
    StructuredInputMultipleChoiceOption,
    ThreadItemDoneEvent,
)


@function_tool
async def scroll_position(context: RunContextWrapper[AgentContext[Any]]) -> str:
    """Ask the page how far the reader has scrolled."""
    call = ClientToolCall(name="scroll_position", arguments={"in": "px"})
    context.context.client_tool_call = call
    return "asked"


@function_tool
async def ask_version(context: RunContextWrapper[AgentContext[Any]]) -> str:
    """Ask the reader for the version."""
    chat = context.context
    question = StructuredInputMultipleChoice(
        id="version",
        question="Which version?",
        options=[StructuredInputMultipleChoiceOption(value=v) for v in ("1", "2")],
    )
    item = StructuredInputItem(
        id=chat.generate_id("message"),
        thread_id=chat.thread.id,
        created_at=datetime.now(UTC),
        inputs=[question],
    )
    await chat.stream(ThreadItemDoneEvent(item=item))
    return "asked"


agent = Agent(
    name="guide",
    instructions="Guide.",
    tools=[scroll_position, ask_version],
    tool_use_behavior=StopAtTools(stop_at_tool_names=["scroll_position", "ask_version"]),
)
'''


@pytest.fixture(params=["responses", "chat"])
def start(
    request: pytest.FixtureRequest,
    start_scripted: StartScripted,
    write_module: WriteModule,
) -> StartScripted:
    module = write_module("guide_agent", MODULE)
    return partial(start_scripted, model_api=request.param, agent=f"{module}:agent")


def test_threads_add_client_tool_output_goes_on_with_the_answer(start: StartScripted) -> None:
    with start(Call("scroll_position"), Say("You are at 40.")) as (client, model):
        asked = client.ask("Where am I?")
        call = asked.of("thread.item.done")[-1]["item"]
        waiting = client.items(asked.thread_id)
        events = client.events(
            "threads.add_client_tool_output", thread_id=asked.thread_id, result={"y": 40}
        )
        again = client.post(
            "threads.add_client_tool_output", thread_id=asked.thread_id, result={"y": 41}
        )
        items = client.items(asked.thread_id)
        [thread] = client.threads()

    assert thread["title"] == "Where am I?"
    assert (call["type"], call["status"]) == ("client_tool_call", "pending")
    assert (call["name"], call["arguments"]) == ("scroll_position", {"in": "px"})
    assert waiting[-1] == call
    said = [event["item"] for event in events if event["type"] == "thread.item.done"]
    assert said[-1]["content"][0]["text"] == "You are at 40."
    assert model.requests[1].tool_outputs == ['{"y": 40}']
    assert [(item["type"], item.get("status")) for item in items] == [
        ("user_message", None),
        ("client_tool_call", "completed"),
        ("assistant_message", None),
    ]
    assert len({item["id"] for item in items}) == 3
    assert (again.status_code, again.json()["error"]["code"]) == (409, "not_pending")


def test_threads_add_structured_input_goes_on_with_the_answer(start: StartScripted) -> None:
    with start(Call("ask_version"), Say("Version 2 it is.")) as (client, model):
        asked = client.ask("How do I install it?")
        form = asked.of("thread.item.done")[-1]["item"]
        sent = {
            "thread_id": asked.thread_id,
            "item_id": form["id"],
            "input": {"status": "answered", "answers": {"version": {"values": ["2"]}}},
        }
        events = client.events("threads.add_structured_input", **sent)
        again = client.post("threads.add_structured_input", **sent)
        items = client.items(asked.thread_id)
        [thread] = client.threads()

    assert thread["title"] == "How do I install it?"
    assert (form["type"], form["status"]) == ("structured_input", "pending")
    replaced = next(event["item"] for event in events if event["type"] == "thread.item.replaced")
    assert replaced["status"] == "answered"
    assert items[1] == replaced
    assert items[1]["inputs"][0]["answer"]["values"] == ["2"]
    assert items[2]["content"][0]["text"] == "Version 2 it is."
    assert "Which version?: 2" in model.requests[1].text
    assert (again.status_code, again.json()["error"]["code"]) == (409, "not_pending")
