"""Stop and the limit of time reach a turn whatever it does at that moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from chatkit.actions import Action
from chatkit.errors import CustomStreamError
from chatkit.types import ProgressUpdateEvent, ThreadMetadata, ThreadStreamEvent, WidgetItem

from chatkit_server.context import RequestContext
from chatkit_server.server import DocsServer
from chatkit_server.testing import Say, ScriptedModel
from chatkit_server.turn import Turn
from tests.fixtures.app import Client, StartServer
from tests.server.test_turns import stop


async def one_and_no_more() -> AsyncIterator[int]:
    yield 1
    await asyncio.Event().wait()


async def test_a_stop_that_comes_between_two_events_ends_what_waits() -> None:
    turn = Turn("threads.custom_action")
    steps = turn.steps(one_and_no_more())
    assert await anext(steps) == 1

    # While an item is being stored, for example.
    turn.hang_up("stopped")

    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(60):
            await anext(steps)


@pytest.mark.parametrize("begun", [True, False])
async def test_a_limit_of_time_that_passes_between_two_events_holds(begun: bool) -> None:
    turn = Turn("threads.custom_action")
    steps = turn.steps(one_and_no_more())
    if begun:
        assert await anext(steps) == 1

    turn.time_out()

    with pytest.raises(CustomStreamError, match="took too long"):
        async with asyncio.timeout(60):
            await anext(steps)


class Answering(DocsServer):
    """Its actions answer, and then wait for something that never comes."""

    async def action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: RequestContext,
    ) -> AsyncIterator[ThreadStreamEvent]:
        async for event in self.respond(thread, None, context):
            yield event
        if action.payload["limit"]:
            # Passes while it waits, however long the answer took.
            asyncio.get_running_loop().call_later(0.1, context.running_turn.time_out)
        yield ProgressUpdateEvent(text="Waiting")
        await asyncio.Event().wait()


@pytest.mark.parametrize("ending", ["stop", "limit"])
def test_what_follows_an_answer_in_an_action_is_stopped(
    start_server: StartServer, ending: str
) -> None:
    with (
        ScriptedModel(Say("First."), Say("Answered."), Say("Next.")) as model,
        start_server(openai_base_url=model.base_url, model="m", server_class=Answering) as url,
    ):
        ada = Client(url)
        thread_id = ada.ask("How do I connect to Neon?").thread_id
        action = {"type": "answer", "payload": {"limit": ending == "limit"}}
        with ada.stream("threads.custom_action", thread_id=thread_id, action=action) as events:
            next(event for event in events if event.get("text") == "Waiting")
            stopped = stop(ada, thread_id).json() if ending == "stop" else None
            rest = list(events)
        reply = ada.ask("And then?", thread_id)

    assert stopped == ({"stopped": True} if ending == "stop" else None)
    assert [event["type"] for event in rest] == ([] if ending == "stop" else ["error"])
    assert reply.text == "Next."
