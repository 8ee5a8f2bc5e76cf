"""The agent that answers: ours or one's own, with a model over either OpenAI API or without one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Tool,
    function_tool,
)
from agents.models import get_default_model
from agents.models.interface import Model
from agents.models.multi_provider import MultiProvider
from openai import Timeout

from .deltas import StreamingClient
from .errors import SettingsError
from .instructions import instructions
from .settings import Settings
from .team import Team, members


@dataclass(frozen=True, slots=True)
class Models:
    """The configured models of one server."""

    answering: dict[str, Model]
    """By name, the default one first."""
    settings: ModelSettings
    """What is said with each call."""
    rewriting: Model | None
    """Rewrites questions for the search."""
    run_config: RunConfig
    """Where agents of one's own find the models that they name, tools that are agents too."""


class _Provider(MultiProvider):
    """Finds models at the configured server; where none is named, the default one.

    The SDK's own makes a client that knows neither `.env` nor `CHATKIT_MODEL`.
    """

    def __init__(self, default: Model, **options: Any) -> None:
        super().__init__(**options)
        self._default = default

    def get_model(self, model_name: str | None) -> Model:
        return self._default if model_name is None else super().get_model(model_name)


@asynccontextmanager
async def open_models(settings: Settings) -> AsyncIterator[Models]:
    """The configured models; their connections are closed when the block ends."""
    key = settings.openai_api_key
    async with StreamingClient(
        # Servers of one's own mostly want none, the client always wants one.
        api_key=key.get_secret_value() if key else "none",
        base_url=settings.openai_base_url,
        timeout=Timeout(settings.model_timeout, connect=5.0),
        max_retries=1,
    ) as client:
        # The client imports what it needs when it is first asked for it, a fifth of a second.
        _ = client.chat.completions if settings.chat_completions else client.responses
        make: type[OpenAIChatCompletionsModel] | type[OpenAIResponsesModel] = OpenAIResponsesModel
        model_settings = ModelSettings(store=False)
        if settings.chat_completions:
            make = OpenAIChatCompletionsModel
            # Said to OpenAI, whose answers the SDK has kept otherwise. Others may not know it.
            store = False if client.base_url.host == "api.openai.com" else None
            model_settings = ModelSettings(include_usage=True, store=store)
        names = (settings.model or get_default_model(), *settings.models)
        rewriting = settings.rewrite_model
        answering: dict[str, Model] = {name: make(name, client) for name in names}
        provider = _Provider(
            answering[names[0]],
            openai_client=client,
            openai_use_responses=not settings.chat_completions,
            # As a server of one's own calls its models: `Qwen/Qwen3-8B`.
            openai_prefix_mode="model_id" if settings.openai_base_url else "alias",
            unknown_prefix_mode="model_id",
        )
        yield Models(
            answering,
            model_settings,
            make(rewriting, client) if rewriting else None,
            RunConfig(
                model_provider=provider,
                model_settings=ModelSettings(store=model_settings.store),
                tracing_disabled=True,
            ),
        )


def make_agent(
    settings: Settings, search_docs: Tool, model: Model, opened: Models | None
) -> Agent[Any]:
    """The agent of the settings: `CHATKIT_AGENT`, or ours with `CHATKIT_TOOLS`.

    An agent of one's own gets `search_docs` where it has no such tool. It and those that it hands
    over to get our model where they name none, one of our server where they name it by a text, and
    our model's settings with either, and where readers may choose the model.

    Raises:
        SettingsError: a reference leads nowhere, or to something else.
    """
    if settings.agent:
        agent = load(settings.agent, "CHATKIT_AGENT")
        if not isinstance(agent, Agent):
            raise SettingsError(
                f"CHATKIT_AGENT is {settings.agent!r}, which is a {type(agent).__name__}; "
                "it must be an agents.Agent"
            )
        if all(tool.name != search_docs.name for tool in agent.tools):
            agent = agent.clone(tools=[*agent.tools, search_docs])
        team = Team(
            model,
            opened.settings if opened else ModelSettings(),
            named=opened.run_config.model_provider.get_model if opened else None,
            everywhere=bool(settings.models),
        )
        return team.join(agent)
    return Agent(
        name="docs",
        instructions=instructions(settings.site_name, settings.instructions),
        tools=[search_docs, *load_tools(settings.tools)],
        model=model,
        model_settings=opened.settings if opened else ModelSettings(),
    )


def run_config_for(agent: Agent[Any], opened: Models) -> RunConfig:
    """How this agent is run; what it says itself of `store` stays as it is.

    The word of the run would go to every model, of a service too that refuses to hear of it. So it
    is left out where an agent brings such a model, or decides otherwise.
    """
    if all(one.model_settings.store == opened.settings.store for one in members(agent)):
        return opened.run_config
    return replace(opened.run_config, model_settings=None)


def make_quoter(model: Model) -> Agent[Any]:
    """The agent that answers while the model is down: without tools, from what was found."""
    return Agent(name="quoter", instructions="", model=model)


def load_tools(references: Iterable[str]) -> list[Tool]:
    """The tools behind `package.module:attribute`; a plain function becomes a function tool.

    Raises:
        SettingsError: a reference leads nowhere, or to something that is no tool.
    """
    tools: list[Tool] = []
    for reference in references:
        found = load(reference, "CHATKIT_TOOLS")
        for tool in found if isinstance(found, Sequence) else [found]:
            if callable(tool) and not hasattr(tool, "name"):
                tool = function_tool(tool)
            if not hasattr(tool, "name"):
                raise SettingsError(
                    f"CHATKIT_TOOLS has {reference!r}, which is a {type(tool).__name__}; "
                    "it must be a function, a tool of the Agents SDK or a list of them"
                )
            tools.append(tool)
    return tools


def load(reference: str, setting: str) -> Any:
    """The object behind `package.module:attribute`, looked for in the working folder too."""
    module, _, attribute = reference.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise SettingsError(f"{setting} names {reference!r}: {error}") from error
    except Exception as error:  # somebody's own code
        raise SettingsError(
            f"{setting} names {reference!r}, and {type(error).__name__} ends the import: {error}; "
            f"python -c 'import {module}' shows where"
        ) from error
    try:
        return getattr(found, attribute)
    except AttributeError:
        # Where it is, since `agents` for example is the SDK, whatever lies in the working folder.
        place = getattr(found, "__file__", None) or f"the folder {module!r}"
        raise SettingsError(
            f"{setting} names {reference!r}: {place} has no {attribute!r}"
        ) from None
