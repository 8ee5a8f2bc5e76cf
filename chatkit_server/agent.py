"""The agent that answers: ours or one's own, with a model over either OpenAI API or without one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Tool,
    function_tool,
)
from agents.models import get_default_model
from agents.models.interface import Model
from openai import Timeout

from .deltas import StreamingClient
from .errors import SettingsError
from .instructions import instructions
from .settings import Settings


@dataclass(frozen=True, slots=True)
class Models:
    """The configured models of one server."""

    answering: dict[str, Model]
    """By name, the default one first."""
    settings: ModelSettings
    """What is said with each call."""
    rewriting: Model | None
    """Rewrites questions for the search."""


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
            make, model_settings = OpenAIChatCompletionsModel, ModelSettings(include_usage=True)
        names = (settings.model or get_default_model(), *settings.models)
        rewriting = settings.rewrite_model
        yield Models(
            {name: make(name, client) for name in names},
            model_settings,
            make(rewriting, client) if rewriting else None,
        )


def make_agent(
    settings: Settings, search_docs: Tool, model: Model, model_settings: ModelSettings | None
) -> Agent[Any]:
    """The agent of the settings: `CHATKIT_AGENT`, or ours with `CHATKIT_TOOLS`.

    An agent of one's own gets `search_docs` where it has no such tool, our model where it names
    none, and our model's settings where readers may choose that.

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
        if agent.model is None or settings.models:
            ours = model_settings or ModelSettings()
            agent = agent.clone(
                model=agent.model or model, model_settings=ours.resolve(agent.model_settings)
            )
        return agent
    return Agent(
        name="docs",
        instructions=instructions(settings.site_name, settings.instructions),
        tools=[search_docs, *load_tools(settings.tools)],
        model=model,
        model_settings=model_settings or ModelSettings(),
    )


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
        return getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise SettingsError(f"{setting} names {reference!r}: {error}") from error
    except AttributeError:
        raise SettingsError(
            f"{setting} names {reference!r}: the module has no {attribute!r}"
        ) from None
