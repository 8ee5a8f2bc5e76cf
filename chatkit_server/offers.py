"""What a reader may choose for an answer: the model, and the tool that it begins with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agents import Agent, ModelSettings
from agents.models.interface import Model
from chatkit.types import InferenceOptions

from .errors import RequestError, invalid


@dataclass(frozen=True, slots=True)
class Offers:
    """The models by the names that readers know them by, and the names of the tools."""

    models: Mapping[str, Model] = field(default_factory=dict)
    tools: frozenset[str] = frozenset()

    @classmethod
    def of(cls, agent: Agent[Any], models: Mapping[str, Model]) -> Offers:
        """What an agent can do; tools that are off, or come from an MCP server, are not offered."""
        names = (
            tool.name for tool in agent.tools if getattr(tool, "is_enabled", True) is not False
        )
        return cls(models, frozenset(names))

    def check(self, options: InferenceOptions) -> None:
        """Refuse what is not offered, before anything is stored.

        Raises:
            RequestError: 400, with what is offered instead.
        """
        if options.model is not None and options.model not in self.models:
            raise _not_offered("model", self.models)
        choice = options.tool_choice
        if choice is not None and choice.id not in self.tools:
            raise _not_offered("tool_choice", self.tools)

    def model(self, options: InferenceOptions) -> Model | None:
        """The chosen model; None for the agent's own, and for one that is no longer offered."""
        return self.models.get(options.model) if options.model is not None else None

    def begin_with_tool(self, agent: Agent[Any], options: InferenceOptions) -> Agent[Any]:
        """The agent, made to call the chosen tool first; it is free again afterwards."""
        choice = options.tool_choice
        if choice is None or choice.id not in self.tools:
            return agent
        chosen = ModelSettings(tool_choice=choice.id)
        # Not for the whole run: an agent that is handed over to may lack the tool.
        return agent.clone(
            model_settings=agent.model_settings.resolve(chosen), reset_tool_choice=True
        )


def _not_offered(name: str, offered: Iterable[str]) -> RequestError:
    names = ", ".join(sorted(offered))
    place = f"params.input.inference_options.{name}"
    if not names:
        return invalid(f"{place}: this server offers no choice; leave it out.")
    return invalid(f"{place} must be one of: {names}.")
