"""The scripted model, as users' own tests use it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    RunContextWrapper,
    Runner,
)
from agents.models.interface import Model
from agents.tool import function_tool
from chatkit.actions import Action, ActionConfig
from chatkit.agents import AgentContext
from chatkit.types import ProgressUpdateEvent, ThreadMetadata, ThreadStreamEvent, WidgetItem
from chatkit.widgets import Button, Card
from openai import AsyncOpenAI

from chatkit_server.context import RequestContext
from chatkit_server.errors import SettingsError
from chatkit_server.server import DocsServer
from chatkit_server.testing import Call, Citation, Say, ScriptedModel, Visitor, open_chat


@function_tool
def opening_hours(city: str) -> str:
    """Say when the shop is open."""
    return f"{city}: 8 to 20"


@pytest.mark.parametrize("kind", [OpenAIResponsesModel, OpenAIChatCompletionsModel])
@pytest.mark.parametrize("streamed", [True, False])
async def test_an_agent_runs_against_the_script(
    kind: type[OpenAIResponsesModel] | type[OpenAIChatCompletionsModel], streamed: bool
) -> None:
    script = Call("opening_hours", {"city": "Bern"}), Say("From 8 to 20.")
    with ScriptedModel(*script) as scripted:
        async with AsyncOpenAI(base_url=scripted.base_url, api_key="none") as client:
            model: Model = kind("scripted", client)
            agent = Agent(name="shop", model=model, tools=[opening_hours])
            quiet = RunConfig(tracing_disabled=True)
            if streamed:
                result = Runner.run_streamed(agent, "When is it open?", run_config=quiet)
                async for _ in result.stream_events():
                    pass
                said = result.final_output
            else:
                said = (await Runner.run(agent, "When is it open?", run_config=quiet)).final_output

    assert said == "From 8 to 20."
    assert [request.tool_outputs for request in scripted.requests] == [[], ["Bern: 8 to 20"]]


def test_waiting_for_what_never_comes_is_a_timeout() -> None:
    with ScriptedModel(Say("So.")) as model, pytest.raises(TimeoutError):
        model.wait_for(lambda m: bool(m.requests), timeout=0.01)


def test_a_setting_that_is_none_is_told_to_the_test() -> None:
    with pytest.raises(SettingsError, match="did you mean 'own_answers'"), open_chat(own_answer=1):
        pass


HOURS = {"hours.md": "# Shop\n\n## Opening hours\n\nThe shop in Bern is open from 8 to 20.\n"}


def test_a_chat_answers_from_the_docs_of_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATKIT_TOOLS", "what.is:real")
    with ScriptedModel(Say("From 8 to 20 [1].")) as model, open_chat(model, docs=HOURS) as visitor:
        reply = visitor.ask("When is the shop open?", page={"title": "Our shops"})
        again = visitor.ask("And in Bern?", reply.thread_id)

        assert [item["type"] for item in visitor.items(reply.thread_id)] == [
            "user_message",
            "assistant_message",
            "user_message",
            "assistant_message",
        ]
        assert Visitor(visitor.url).threads() == []

    assert reply.text == "From 8 to 20."
    assert reply.citations == [Citation("/docs/hours#opening-hours", "Shop", "Opening hours", 12)]
    assert "Our shops" in model.requests[0].text
    assert again.thread_id == reply.thread_id


def test_what_a_model_writes_does_not_end_an_event() -> None:
    said = "From 8\u2028to\x8520."
    with ScriptedModel(Say(said)) as model, open_chat(model, docs=HOURS) as visitor:
        assert visitor.ask("When is the shop open?").text == said


def test_a_turn_without_such_an_item_says_what_it_has() -> None:
    with open_chat(docs=HOURS) as visitor:
        reply = visitor.ask("When is the shop open?")

        with pytest.raises(LookupError, match="user_message, assistant_message"):
            reply.item("widget")
        with pytest.raises(httpx.HTTPStatusError, match=r"404 for threads\.add_user"):
            visitor.ask("And in Bern?", "thr_unknown")


class Shop(DocsServer):
    async def action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: RequestContext,
    ) -> AsyncIterator[ThreadStreamEvent]:
        yield ProgressUpdateEvent(text=f"{action.type}: {action.payload['city']}")


async def show_shop(run: RunContextWrapper[AgentContext[Any]]) -> str:
    """Show the shop."""
    button = Button(label="Open", onClickAction=ActionConfig(type="open"))
    await run.context.stream_widget(Card(children=[button]))
    return "shown"


def test_a_widget_of_a_tool_acts_on_a_server_of_ones_own() -> None:
    script = Call("show_shop"), Say("Here it is.")
    with (
        ScriptedModel(*script) as model,
        open_chat(model, server_class=Shop, tools=f"{__name__}:show_shop") as visitor,
    ):
        widget = visitor.ask("Show me the shop").item("widget")
        done = visitor.act(widget, "open", {"city": "Bern"})

    assert widget["widget"]["children"][0]["label"] == "Open"
    assert [event["text"] for event in done.of("progress_update")] == ["open: Bern"]
