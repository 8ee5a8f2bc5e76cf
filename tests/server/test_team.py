"""Agents of one's own that name models, hand over to others or have tools of MCP servers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from agents import Agent
from agents.mcp import MCPServerManager, MCPServerStdio

from chatkit_server.agent import load, open_models
from chatkit_server.errors import SettingsError
from chatkit_server.settings import read_settings
from chatkit_server.team import members
from chatkit_server.testing import Answer, Call, Say, ScriptedModel
from chatkit_server.toolservers import connected
from tests.fixtures.app import Client, StartScripted
from tests.fixtures.modules import WriteModule

StartModel = Callable[..., Any]


@pytest.fixture(params=["responses", "chat"])
def start(
    request: pytest.FixtureRequest,
    start_scripted: StartScripted,
    write_module: WriteModule,
    monkeypatch: pytest.MonkeyPatch,
) -> StartModel:
    """Starts a server with an agent's source: `with start(source, *script) as (client, model)`."""
    # Of these the SDK's own client would make its calls.
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def started(
        source: str, *script: Answer, **values: Any
    ) -> AbstractContextManager[tuple[Client, ScriptedModel]]:
        module = write_module("own_agents", source)
        return start_scripted(
            *script,
            openai_api_key="from-the-settings",
            model_api=request.param,
            agent=f"{module}:agent",
            **values,
        )

    return started


DESK = """
from agents import Agent, handoff

returns = Agent(name="Returns", instructions="Help to send something back.")
agent = Agent(name="Desk", instructions="Hand it over.", handoffs=[{way}])
returns.handoffs = [agent]
"""


@pytest.mark.parametrize("way", ["returns", "handoff(returns)"])
def test_who_is_handed_over_to_answers_by_the_configured_model(start: StartModel, way: str) -> None:
    script = Call("transfer_to_returns"), Say("Which order is it?")
    with start(DESK.format(way=way), *script) as (client, model):
        reply = client.ask("I want to send the lamp back.")

    assert reply.error is None
    assert reply.text == "Which order is it?"
    desk, returns = model.requests
    assert (desk.instructions, returns.instructions) == (
        "Hand it over.",
        "Help to send something back.",
    )
    assert "transfer_to_desk" in returns.tools
    for asked in model.requests:
        assert asked.headers["authorization"] == "Bearer from-the-settings"
        assert asked.body["model"] == "scripted"
        # What the SDK takes for the settings of its own default model.
        assert {"reasoning", "reasoning_effort", "verbosity", "text"} & asked.body.keys() == set()
        if asked.api == "responses":
            assert asked.body["store"] is False


ASKING = """
from agents import Agent

returns = Agent(name="Returns", instructions="You know how to send something back.")
agent = Agent(name="Desk", tools=[returns.as_tool("ask_returns", "Knows of returns.")])
"""


def test_an_agent_that_is_a_tool_is_called_at_the_configured_server(start: StartModel) -> None:
    script = Call("ask_returns", {"input": "How long?"}), Say("Thirty days."), Say("You have 30.")
    with start(ASKING, *script, models=("other",)) as (client, model):
        reply = client.ask("How long may I send it back?")

    assert reply.text == "You have 30."
    _, asked, answering = model.requests
    assert asked.instructions == "You know how to send something back."
    assert answering.tool_outputs == ["Thirty days."]
    assert asked.headers["authorization"] == "Bearer from-the-settings"
    assert asked.body["model"] == "scripted"
    if asked.api == "responses":
        assert asked.body["store"] is False


GUARDED = """
from agents import Agent, GuardrailFunctionOutput, input_guardrail


@input_guardrail(run_in_parallel=False)
async def no_cards(run, agent, said):
    question = said[-1]["content"][0]["text"]
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered="4111" in question)


agent = Agent(name="My agent", input_guardrails=[no_cards])
"""


def test_a_guardrail_gets_the_question_before_the_model_does(start: StartModel) -> None:
    with start(GUARDED, Say("So.")) as (client, model):
        refused = client.ask("Is 4111 mine?")
        called = len(model.requests)
        answered = client.ask("Why?", refused.thread_id)

    assert refused.error is not None
    assert refused.error["message"] == "This site's rules don't allow an answer to this."
    assert called == 0
    assert answered.text == "So."


NAMING = """
from agents import Agent, ModelSettings

agent = Agent(
    name="My agent",
    instructions="Be brief.",
    model="acme/large",
    model_settings=ModelSettings(temperature=0.5),
)
"""


def test_a_model_that_an_agent_names_is_one_of_the_configured_server(start: StartModel) -> None:
    with start(NAMING, Say("So.")) as (client, model):
        reply = client.ask("Why?")

    assert reply.text == "So."
    [asked] = model.requests
    assert asked.headers["authorization"] == "Bearer from-the-settings"
    assert asked.body["model"] == "acme/large"
    assert asked.body["temperature"] == 0.5


BRINGING = """
from agents import Agent, OpenAIChatCompletionsModel
from openai import AsyncOpenAI

client = AsyncOpenAI(base_url="{url}", api_key="theirs")
agent = Agent(name="My agent", model=OpenAIChatCompletionsModel("theirs", client))
"""


def test_a_model_that_an_agent_brings_hears_nothing_that_its_service_may_refuse(
    start: StartModel,
) -> None:
    with ScriptedModel(Say("So.")) as theirs:
        with start(BRINGING.format(url=theirs.base_url)) as (client, ours):
            reply = client.ask("Why?")

        assert reply.text == "So."
        assert ours.requests == []
        [asked] = theirs.requests
        assert asked.headers["authorization"] == "Bearer theirs"
        assert "store" not in asked.body


KEEPING = """
from agents import Agent, ModelSettings

agent = Agent(name="My agent", model_settings=ModelSettings(store=True))
"""


def test_an_agent_that_has_its_answers_stored_keeps_its_way(start: StartModel) -> None:
    with start(KEEPING, Say("So.")) as (client, model):
        assert client.ask("Why?").text == "So."

    [asked] = model.requests
    assert asked.body["store"] is True


@pytest.mark.parametrize(
    ("values", "store"),
    [
        ({"model_api": "chat"}, False),
        ({"model_api": "responses"}, False),
        ({"openai_base_url": "https://api.openai.com/v1", "model": "m"}, False),
        # It may not know the word.
        ({"openai_base_url": "http://localhost:11434/v1", "model": "m"}, None),
    ],
)
async def test_openai_is_told_to_keep_no_answer(values: dict[str, str], store: bool | None) -> None:
    async with open_models(read_settings({"openai_api_key": "key", **values})) as models:
        assert models.settings.store is store


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        # The SDK, whatever lies in the working folder.
        ("agents:desk", r"agents/__init__\.py has no 'desk'"),
        ("broken_agents:agent", "AttributeError ends the import: module 'json' has no attribute"),
        ("misspelt_agents:agent", r"SyntaxError ends the import: .*misspelt_agents\.py, line 1"),
    ],
)
def test_a_reference_that_leads_nowhere_says_what_is_there(
    write_module: WriteModule, reference: str, said: str
) -> None:
    write_module("broken_agents", "import json\nagent = json.parse('{}')\n")
    write_module("misspelt_agents", "agent = Agent(\n")
    with pytest.raises(SettingsError, match=said):
        load(reference, "CHATKIT_AGENT")


HOURS = """
try:
    from mcp.server import MCPServer
except ImportError:  # before version 2
    from mcp.server.fastmcp import FastMCP as MCPServer

server = MCPServer("hours")


@server.tool()
def opening_hours(city: str) -> str:
    \"\"\"Say when the shop is open.\"\"\"
    return f"{city}: 8 to 20"


server.run()
"""
SHOP = """
import sys
from agents import Agent
from agents.mcp import MCPServerStdio

hours = MCPServerStdio(
    {"command": sys.executable, "args": ["hours.py"]},
    name="hours",
    client_session_timeout_seconds=120,
)
agent = Agent(name="shop", instructions="", mcp_servers=[hours])
"""


@pytest.fixture
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself, the SDK gives up a server whose start takes longer than ten seconds."""
    patient = partial(MCPServerManager, connect_timeout_seconds=120)
    monkeypatch.setattr("agents.mcp.MCPServerManager", patient)


@pytest.mark.usefixtures("_patience")
def test_tools_of_an_mcp_server_are_there_and_are_called(start: StartModel) -> None:
    Path("hours.py").write_text(HOURS)
    with start(SHOP, Call("opening_hours", {"city": "Bern"}), Say("From 8 to 20.")) as (
        client,
        model,
    ):
        reply = client.ask("When can I come?")

    assert reply.text == "From 8 to 20."
    assert {"opening_hours", "search_docs"} <= model.requests[0].tools.keys()
    assert "Bern: 8 to 20" in model.requests[1].tool_outputs[0]


def test_without_its_mcp_server_an_agent_answers_all_the_same(start: StartModel) -> None:
    with start(SHOP, Say("Ask in the shop.")) as (client, model):
        reply = client.ask("When can I come?")

    assert reply.text == "Ask in the shop."
    assert set(model.requests[0].tools) == {"search_docs"}


@pytest.mark.usefixtures("_patience")
async def test_an_mcp_server_that_comes_later_is_found(tmp_path: Path) -> None:
    script = tmp_path / "hours.py"
    hours = MCPServerStdio(
        {"command": sys.executable, "args": [str(script)]},
        name="hours",
        client_session_timeout_seconds=120,
    )
    helper = Agent[Any](name="helper", mcp_servers=[hours])
    agent = Agent[Any](name="desk", handoffs=[helper])

    async with connected(members(agent), pause=0.05):
        assert helper.mcp_servers == []
        script.write_text(HOURS)
        async with asyncio.timeout(240):
            while not helper.mcp_servers:
                await asyncio.sleep(0.05)
        assert [tool.name for tool in await hours.list_tools()] == ["opening_hours"]
