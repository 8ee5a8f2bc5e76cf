"""Stop and lost connections: the model is stopped, what was sent is kept."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import httpx
import pytest

from chatkit_server.testing import ModelRequest, Say, ScriptedModel
from tests.fixtures.app import Client, StartServer

QUESTION = {
    "content": [{"type": "input_text", "text": "How do I connect to Neon?"}],
    "attachments": [],
    "inference_options": {},
}
MARKER = "The user stopped this answer"


def read_deltas(events: Any, count: int) -> str:
    """Read until so many deltas have come; what they said."""
    text = ""
    while count:
        update = next(events).get("update", {})
        if "delta" in update:
            text += update["delta"]
            count -= 1
    return text


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_a_stop_reaches_the_model_within_100_ms_and_keeps_the_text(
    start_server: StartServer, api: str
) -> None:
    def answer(request: ModelRequest) -> Say:
        if "Go on?" in request.text:
            return Say("Next.")
        return Say("One two three four", hold_after=3)

    took: list[float] = []
    with (
        ScriptedModel(answer) as model,
        start_server(openai_base_url=model.base_url, model="m", model_api=api) as url,
    ):
        client = Client(url)
        # A machine that is busy with other things may be late, but not each time.
        while len(took) < 20 and min(took, default=1.0) >= 0.1:
            with client.stream("threads.create", input=QUESTION) as events:
                thread_id = next(events)["thread"]["id"]
                seen = read_deltas(events, 2)
                left_at = time.monotonic()
            model.wait_for(lambda m: m.requests[-1].hung_up_at is not None)
            took.append((model.requests[-1].hung_up_at or 0) - left_at)
        # At once, though the stopped turn is still being stored: it waits for that.
        reply = client.ask("Go on?", thread_id)
        items = client.items(thread_id)

    assert 0 < min(took) < 0.1
    assert [item["type"] for item in items] == [
        "user_message",
        "assistant_message",
        "user_message",
        "assistant_message",
    ]
    kept = items[1]["content"][0]["text"]
    assert kept.startswith(seen.rstrip())
    assert "One two three four".startswith(kept)
    assert reply.text == "Next."
    # The model knows, the reader is not told.
    assert MARKER in model.requests[-1].text
    assert kept in model.requests[-1].text


def test_a_reader_who_leaves_before_the_first_word_leaves_a_question(
    start_server: StartServer,
) -> None:
    with (
        ScriptedModel(Say("Never", hold_after=0), Say("Next.")) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
    ):
        client = Client(url)
        with client.stream("threads.create", input=QUESTION) as events:
            thread_id = next(events)["thread"]["id"]
            model.wait_for(lambda m: len(m.requests) == 1)
        model.wait_for(lambda m: m.requests[0].hung_up_at is not None)
        reply = client.ask("Go on?", thread_id)
        items = client.items(thread_id)

    assert reply.text == "Next."
    assert [item["type"] for item in items] == ["user_message", "user_message", "assistant_message"]


async def test_100_clients_that_leave_at_random_moments_lose_nothing(
    start_server: StartServer,
) -> None:
    text = " ".join(f"word{n}" for n in range(60))
    rng = random.Random(1)
    with (
        ScriptedModel(Say(text, cut=12, pause=0.02, hold_after=31)) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
    ):
        # Some at a time: a crowd that waits for the pool's few connections for longer than the pool
        # has patience is answered without the database, which is another test's claim.
        places = asyncio.Semaphore(20)

        async def visit(number: int, characters: int) -> tuple[str, str, str]:
            async with places:
                return await leave(http, url, number, characters)

        async with httpx.AsyncClient(timeout=120) as http:
            left = await asyncio.gather(
                *(visit(number, rng.randrange(1, 350)) for number in range(100))
            )
        # A turn of one's own says that the one before is stored.
        kept = [check(Client(url, secret), thread_id) for secret, thread_id, _ in left]
        model.wait_for(lambda m: all(r.hung_up_at is not None for r in m.requests[:100]))

    assert len(model.requests) == 100
    for (_, _, seen), answers in zip(left, kept, strict=True):
        assert len(answers) == 1
        assert answers[0].startswith(seen.rstrip())
        assert text.startswith(answers[0])
    # Not one of them ran to its end.
    assert max(request.sent for request in model.requests) < len(text) / 12


async def leave(
    http: httpx.AsyncClient, url: str, number: int, characters: int
) -> tuple[str, str, str]:
    """Ask, read some of the text, hang up; the secret, the thread and the text that was seen."""
    import json

    secret = f"visitor-{number:03}-" + "x" * 32
    thread_id, seen = "", ""
    async with http.stream(
        "POST",
        f"{url}/chatkit",
        json={"type": "threads.create", "params": {"input": QUESTION}},
        headers={"X-Session-Id": secret},
    ) as response:
        async for line in response.aiter_lines():
            if not line.startswith("data: "):
                continue
            event = json.loads(line.removeprefix("data: "))
            if event["type"] == "thread.created":
                thread_id = event["thread"]["id"]
            if delta := event.get("update", {}).get("delta"):
                seen += delta
            if len(seen) >= characters:
                break
    return secret, thread_id, seen


def check(client: Client, thread_id: str) -> list[str]:
    """The answers that are stored, once the stopped turn has given its thread back."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        items = client.items(thread_id)
        answers = [i["content"][0]["text"] for i in items if i["type"] == "assistant_message"]
        if answers:
            return answers
    raise TimeoutError(f"nothing was stored in {thread_id}")


def test_silence_is_filled_with_comments(start_server: StartServer) -> None:
    with (
        ScriptedModel(Say("Late answer", hold_after=0)) as model,
        start_server(openai_base_url=model.base_url, model="m", keep_alive=0.05) as url,
        httpx.stream(
            "POST",
            f"{url}/chatkit",
            json={"type": "threads.create", "params": {"input": QUESTION}},
            headers={"X-Session-Id": "s" * 32},
            timeout=30,
        ) as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-accel-buffering"] == "no"
        assert "no-transform" in response.headers["cache-control"]
        assert response.headers["x-chatkit-keep-alive"] == "0.05"
        lines = response.iter_lines()
        pings = 0
        while pings < 3:
            pings += next(lines) == ": ping"
        model.release()
        assert "Late" in "".join(lines)


def test_a_shutdown_keeps_what_was_sent(start_server: StartServer) -> None:
    with ScriptedModel(Say("One two three four", hold_after=3)) as model:
        with start_server(openai_base_url=model.base_url, model="m", drain=1.0) as url:
            client = Client(url)
            stream = client.stream("threads.create", input=QUESTION)
            events = stream.__enter__()
            thread_id = next(events)["thread"]["id"]
            seen = read_deltas(events, 2)
            # The block ends here: the server is told to stop while the answer is running.
        list(events)
        stream.__exit__(None, None, None)
        with start_server() as url:
            items = Client(url, client.secret).items(thread_id)

    assert items[-1]["type"] == "assistant_message"
    assert items[-1]["content"][0]["text"].startswith(seen.rstrip())
