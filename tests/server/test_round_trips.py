"""One database round trip before the model is called, and one after the last delta."""

from __future__ import annotations

import asyncio

import pytest

from chatkit_server.testing import Answer, ModelRequest, Say, ScriptedModel
from tests.fixtures.app import Client, StartServer
from tests.fixtures.flights import Flights


@pytest.fixture(autouse=True)
def _no_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn that takes long on a busy machine would store one."""
    monkeypatch.setattr("chatkit_server.lease.CHECKPOINT", 600.0)


@pytest.mark.parametrize("api", ["responses", "chat"])
@pytest.mark.parametrize(
    "question",
    [
        pytest.param("How do I connect to Neon?", id="covered"),
        pytest.param("Which loaf has autoscaling and Helm charts?", id="unanswered"),
        pytest.param("And without it?", id="leaning"),
    ],
)
async def test_a_turn_takes_one_flight_before_the_model_and_one_after(
    start_server: StartServer, database_url: str, api: str, question: str
) -> None:
    before: list[int] = []

    async with Flights.to(database_url, delay=0.005) as flights:

        def answer(request: ModelRequest) -> Answer:
            before.append(flights.count)
            return Say("Set it [1]. Then bake [2].")

        def talk() -> list[tuple[int, int]]:
            """Flights until the model was called, and of the whole turn, for each turn."""
            with (
                ScriptedModel(answer) as model,
                start_server(
                    database_url=flights.dsn,
                    openai_base_url=model.base_url,
                    model="m",
                    model_api=api,
                ) as url,
            ):
                client = Client(url)
                counts = []
                thread_id = None
                for _ in range(3):
                    flights.reset()
                    reply = client.ask(question, thread_id)
                    assert reply.error is None
                    thread_id = thread_id or reply.thread_id
                    counts.append((before[-1], flights.count))
                return counts

        counts = await asyncio.to_thread(talk)

    assert counts == [(1, 2)] * 3


async def test_a_stopped_turn_is_stored_in_one_flight(
    start_server: StartServer, database_url: str
) -> None:
    async with Flights.to(database_url, delay=0.005) as flights:

        def talk() -> int:
            with (
                ScriptedModel(Say("One two three", hold_after=2)) as model,
                start_server(
                    database_url=flights.dsn, openai_base_url=model.base_url, model="m"
                ) as url,
            ):
                client = Client(url)
                content = [{"type": "input_text", "text": "How do I connect to Neon?"}]
                sent = {"content": content, "attachments": [], "inference_options": {}}
                flights.reset()
                with client.stream("threads.create", input=sent) as events:
                    for event in events:
                        if event.get("update", {}).get("delta"):
                            break
                model.wait_for(lambda m: m.requests[0].hung_up_at is not None)
            # The server is down by now: everything is stored.
            return flights.count

        assert await asyncio.to_thread(talk) == 2
