"""An agent of one's own and those that it hands over to, as this server calls them."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from typing import Any

from agents import Agent, Handoff, ModelSettings, RunContextWrapper
from agents.models import get_default_model_settings
from agents.models.interface import Model


def members(agent: Agent[Any]) -> list[Agent[Any]]:
    """The agent, and all that it can hand over to."""
    found: list[Agent[Any]] = []
    ahead = [agent]
    while ahead:
        one = ahead.pop()
        if not any(one is other for other in found):
            found.append(one)
            ahead.extend(end for way in one.handoffs if (end := _end(way)) is not None)
    return found


def _end(way: Agent[Any] | Handoff[Any, Any]) -> Agent[Any] | None:
    """The agent that a way leads to; None where only the handover tells."""
    if isinstance(way, Agent):
        return way
    end = way._agent_ref() if way._agent_ref is not None else None
    return end if isinstance(end, Agent) else None


class Team:
    """Gives agents the configured model.

    The SDK would call those that bring no model by a client of its own, which knows neither `.env`
    nor `CHATKIT_MODEL`: what a reader asks would go to another server, or nowhere.

    Args:
        model: For agents that name none.
        settings: What is said to the configured models with each call.
        named: Finds a model by the name that an agent has for it; None leaves that to the SDK.
        everywhere: Whether the settings go to models too that agents bring, since readers may
            choose others.
    """

    def __init__(
        self,
        model: Model,
        settings: ModelSettings,
        *,
        named: Callable[[str], Model] | None,
        everywhere: bool,
    ) -> None:
        self._model = model
        self._settings = settings
        self._named = named
        self._everywhere = everywhere

    def join(self, agent: Agent[Any]) -> Agent[Any]:
        """The agent, and whoever it may hand over to, with a model each; yours stay as they are."""
        return self._join(agent, {})

    def _join(self, agent: Agent[Any], joined: dict[int, Agent[Any]]) -> Agent[Any]:
        # They may hand over to each other.
        if (known := joined.get(id(agent))) is not None:
            return known
        member = joined[id(agent)] = self._equip(agent)
        member.handoffs = [
            self._join(way, joined) if isinstance(way, Agent) else self._lead(way, joined)
            for way in agent.handoffs
        ]
        return member

    def _lead(self, way: Handoff[Any, Any], joined: dict[int, Agent[Any]]) -> Handoff[Any, Any]:
        target = _end(way)
        member = self._join(target, joined) if target is not None else None
        invoke = way.on_invoke_handoff

        async def hand_over(context: RunContextWrapper[Any], arguments: str) -> Agent[Any]:
            reached = await invoke(context, arguments)
            return member if member is not None and reached is target else self.join(reached)

        led = copy.copy(way)
        led.on_invoke_handoff = hand_over
        led._agent_ref = weakref.ref(member) if member is not None else None
        return led

    def _equip(self, agent: Agent[Any]) -> Agent[Any]:
        model = agent.model
        if model is None:
            model = self._model
        elif isinstance(model, str) and self._named is not None:
            model = self._named(model)
        elif not self._everywhere:
            return agent.clone()
        own = agent.model_settings
        if not isinstance(agent.model, Model) and own == get_default_model_settings(agent.model):
            # Nobody has set them: the SDK takes every agent for one of its own default model.
            own = ModelSettings()
        return agent.clone(model=model, model_settings=self._settings.resolve(own))
