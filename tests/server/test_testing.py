"""The scripted model, as users' own tests use it."""

from __future__ import annotations

import pytest
from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, RunConfig, Runner
from agents.models.interface import Model
from agents.tool import function_tool
from openai import AsyncOpenAI

from chatkit_server.testing import Call, Say, ScriptedModel


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
