"""Deltas that queue up are joined: less work, the same answer."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import httpx2
import pytest
from openai import AsyncOpenAI, DefaultAioHttpClient
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from chatkit_server.deltas import DeltaJoiner, DeltaStreams, StreamingClient
from chatkit_server.testing import Call, ModelRequest, Say, ScriptedModel, serve_in_thread
from tests.fixtures.app import Client, Reply, StartServer, message

PLACE = {"item_id": "msg_1", "output_index": 0, "content_index": 0}


def delta(text: str, number: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "type": "response.output_text.delta",
        "delta": text,
        "logprobs": [],
        "sequence_number": number,
        **PLACE,
        **fields,
    }


def chunk(text: str | None, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [
            {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": finish}
        ],
        **fields,
    }


def beside(**fields: Any) -> dict[str, Any]:
    """A chunk with an empty text, and what some servers send beside it."""
    made = chunk("")
    made["choices"][0]["delta"] |= fields
    return made


ARGUMENTS = beside(tool_calls=[{"index": 0, "function": {"arguments": "0"}}])


def frame(event: dict[str, Any], line: str = "\n") -> bytes:
    kind = f"event: {event['type']}{line}" if "type" in event else ""
    return f"{kind}data: {json.dumps(event)}{line}{line}".encode()


def data(stream: bytes) -> list[Any]:
    """The events of a stream, read in the plainest way; what is no JSON as it is."""
    events: list[Any] = []
    for block in stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n\n"):
        text = b"\n".join(line[6:] for line in block.split(b"\n") if line.startswith(b"data: "))
        try:
            events.append(json.loads(text))
        except ValueError:
            events.append(block)
    return events


def test_deltas_that_came_in_together_are_one() -> None:
    stream = b"".join(
        frame(delta(word, number)) for number, word in enumerate(["One", " two", "!"])
    )

    assert DeltaJoiner().join(stream) == (
        b"event: response.output_text.delta\ndata: "
        + json.dumps(delta("One two!", 2), separators=(",", ":")).encode()
        + b"\n\n"
    )


def test_chunks_that_came_in_together_are_one() -> None:
    stream = b"".join(frame(chunk(word, created=at)) for at, word in enumerate(["One", " two"]))
    stream += b"data: [DONE]\n\n"

    joined = DeltaJoiner().join(stream)

    assert data(joined)[0] == chunk("One two", created=1)
    assert joined.endswith(b"\n\ndata: [DONE]\n\n")


def test_chunks_that_all_say_who_speaks_are_one() -> None:
    empty: dict[str, Any] = {"role": "assistant", "tool_calls": None, "refusal": None}
    one, two = beside(**empty, content="One"), beside(**empty, content=" two")

    assert data(DeltaJoiner().join(frame(one) + frame(two))) == [
        beside(**empty, content="One two"),
        b"",
    ]


def test_halves_of_a_character_find_each_other() -> None:
    stream = b"".join(frame(delta(half)) for half in ("\ud83d", "\ude00"))

    assert data(DeltaJoiner().join(stream))[0]["delta"] == "😀"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (delta("a"), delta("b", content_index=1)),
        (delta("a"), delta("b", item_id="msg_2")),
        (delta("a"), delta("b", output_index=1)),
        (delta("a", logprobs=[{"token": "a"}]), delta("a", logprobs=[{"token": "a"}])),
        (delta("a"), delta("b", news={"of": "a later API"})),
        (delta("a"), {**delta("b"), "type": "response.refusal.delta"}),
        (delta("a"), {**delta("b"), "type": "response.function_call_arguments.delta"}),
        (delta("a"), {"type": "response.output_text.done", "text": "a", **PLACE}),
        (chunk("a"), chunk("b", finish="stop")),
        (chunk("a"), chunk("b", id="chatcmpl-2")),
        (chunk("a"), chunk("b", usage={"total_tokens": 2})),
        (chunk(None), chunk("b")),
        (chunk("a"), {**chunk(None), "choices": []}),
        (ARGUMENTS, ARGUMENTS),
        (beside(reasoning_content="ha"), beside(reasoning_content="ha")),
        (beside(audio={"data": "AA=="}), beside(audio={"data": "AA=="})),
        (chunk("a"), {"error": {"message": "overloaded"}}),
    ],
    ids=lambda event: "",
)
def test_what_does_not_belong_together_stays_as_it_is(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    stream = frame(first) + frame(second)

    assert DeltaJoiner().join(stream) == stream


@pytest.mark.parametrize(
    "between",
    [
        b": ping\n\n",
        b"id: 7\n" + frame(delta("x")),
        b"retry: 100\n\n",
        b'data: {"type": "response.output_text.delta",\ndata: "delta": "x"}\n\n',
        b"data: {broken\n\n",
        b"data: " + b'{"a":' * 100_000 + b"\n\n",
        b"data: [1]\n\n",
        b"\n\n",
        b"\xff\xfe\n\n",
    ],
    ids=range(9),
)
def test_everything_between_two_deltas_passes_as_it_is(between: bytes) -> None:
    stream = frame(delta("a")) + between + frame(delta("b"))

    assert DeltaJoiner().join(stream) == stream


def answers() -> Iterator[tuple[bytes, str]]:
    """Streams of both APIs with all sorts of things in them, in each kind of lines."""
    text = 'Set `DATABASE_URL` [1].\n\n"Ümläute", 😀 \u2028 and [2, 3].'
    for line in ("\n", "\r\n", "\r"):
        words = [frame(delta(c, n, obfuscation="x" * n), line) for n, c in enumerate(text)]
        begin = frame({"type": "response.content_part.added", **PLACE}, line)
        end = frame({"type": "response.output_text.done", "text": text, **PLACE}, line)
        ping = f": ping{line}{line}".encode()
        yield b"".join([begin, *words[:20], ping, *words[20:], end]), text
        pieces = [frame(chunk(c), line) for c in text]
        role = {**chunk(""), "choices": [{"index": 0, "delta": {"role": "assistant"}}]}
        done = frame(chunk(None, "stop"), line) + f"data: [DONE]{line}{line}".encode()
        yield b"".join([frame(role, line), *pieces[:9], ping, *pieces[9:], done]), text


def told(events: list[Any]) -> tuple[str, list[Any]]:
    """The text of all deltas, and the other events."""
    text, others = "", []
    for event in events:
        match event:
            case {"type": "response.output_text.delta", "delta": str(piece)}:
                text += piece
            case {"choices": [{"delta": {"content": str(piece)}}]}:
                text += piece
            case _:
                others.append(event)
    return text, others


@pytest.mark.parametrize("number", range(6))
def test_however_a_stream_is_cut_it_says_the_same(number: int) -> None:
    stream, text = list(answers())[number]
    rng = random.Random(number)
    shorter = 0

    for most in (1, 2, 3, 7, 50, 400, 3000, len(stream)):
        for inside in (False, True):
            joiner = DeltaJoiner(inside=inside)
            rest, joined = stream, []
            while rest:
                size = rng.randint(1, most)
                joined.append(joiner.join(rest[:size]))
                rest = rest[size:]
            whole = b"".join(joined)
            shorter += len(whole) < len(stream)
            assert told(data(whole)) == told(data(stream))
            assert told(data(whole))[0] == text
    assert shorter >= 4


def test_there_is_no_pause_while_few_answers_stream() -> None:
    async def run() -> list[float]:
        streams = DeltaStreams()

        class Bytes(httpx2.AsyncByteStream):
            async def __aiter__(self) -> AsyncIterator[bytes]:
                yield b"x"

        pauses = []
        open_ = []
        for _ in range(200):
            reading = streams.read(Bytes())
            await anext(reading)
            open_.append(reading)
            pauses.append(streams.pause)
        for reading in open_:
            assert [rest async for rest in reading] == []
        return [*pauses, streams.pause]

    pauses = asyncio.run(run())

    assert pauses[:9] == [0.0] * 9
    assert pauses[9:80] == pytest.approx([n / 1000 for n in range(10, 81)])
    assert pauses[80:200] == [0.08] * 120
    assert pauses[-1] == 0.0


async def test_a_client_reads_the_same_from_an_answer_among_many() -> None:
    answered = list(answers())[:4]
    streams = DeltaStreams()
    crowd = asyncio.Barrier(40)

    async def together() -> None:
        """All are open, at the client too, and what one reads next has queued up."""
        while streams.pause < crowd.parties / 1000:
            await asyncio.sleep(0)
        await crowd.wait()

    async def stream(request: Request) -> StreamingResponse:
        whole, _ = answered[int(request.path_params["number"])]
        rng = random.Random(1)

        async def body() -> AsyncIterator[bytes]:
            cuts = [0, *sorted(rng.sample(range(len(whole)), 3)), len(whole)]
            for rest in (whole[start:end] for start, end in pairwise(cuts)):
                if request.path_params["company"] == "crowd":
                    await together()
                while rest:
                    size = rng.randint(1, 900)
                    yield rest[:size]
                    rest = rest[size:]

        return StreamingResponse(body(), media_type="text/event-stream")

    paths = ("/{company}/{number}/responses", "/{company}/{number}/chat/completions")
    app = Starlette(routes=[Route(path, stream, methods=["POST"]) for path in paths])

    async def read(client: AsyncOpenAI, number: int, company: str) -> list[Any]:
        at = client.with_options(base_url=f"{url}/{company}/{number}")
        if number % 2:
            chunks = await at.chat.completions.create(model="m", messages=[], stream=True)
            return [chunk.model_dump(exclude_unset=True) async for chunk in chunks]
        events = await at.responses.create(model="m", input="?", stream=True)
        return [event.model_dump(exclude_unset=True) async for event in events]

    with serve_in_thread(app) as url:
        http = DefaultAioHttpClient(event_hooks=streams.hooks)
        async with (
            AsyncOpenAI(api_key="k", base_url=url) as plain,
            StreamingClient(api_key="k", base_url=url, http_client=http) as ours,
        ):
            numbers = [number for number in range(4) for _ in range(10)]
            expected = [await read(plain, number, "alone") for number in range(4)]
            found = await asyncio.gather(*(read(ours, number, "crowd") for number in numbers))

    for number, events in zip(numbers, found, strict=True):
        assert told(events)[1] == told(expected[number])[1]
        assert told(events)[0] == answered[number][1]
    assert sum(map(len, found)) < 10 * sum(map(len, expected)) / 2


def _whole_answer() -> list[dict[str, Any]]:
    """An event of each kind that an answer with a tool has."""
    call = {
        "id": "fc_1",
        "call_id": "call_1",
        "type": "function_call",
        "name": "search_docs",
        "arguments": "{}",
        "status": "completed",
    }
    part = {"type": "output_text", "text": "Hi", "annotations": []}
    item = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": 0,
        "model": "m",
        "output": [call, item],
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "status": "completed",
    }
    place = {"output_index": 0, "sequence_number": 1}
    return [
        {"type": "response.created", "response": response, "sequence_number": 0},
        {"type": "response.output_item.added", "item": call, **place},
        {
            "type": "response.function_call_arguments.delta",
            "item_id": "fc_1",
            "delta": "{",
            **place,
        },
        {"type": "response.output_item.done", "item": item, **place},
        {"type": "response.content_part.added", "part": part, **PLACE, "sequence_number": 2},
        {
            "type": "response.reasoning_summary_text.delta",
            "delta": "Hm",
            "item_id": "rs_1",
            "summary_index": 0,
            **place,
        },
        {"type": "response.completed", "response": response, "sequence_number": 9},
        {"type": "error", "code": "x", "message": "y", "param": None, "sequence_number": 9},
    ]


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        (ResponseStreamEvent, delta("Hi", 3)),
        (ResponseStreamEvent, delta("Hi", obfuscation="xyz", news={"a": [1]})),
        (ResponseStreamEvent, delta("Hi", logprobs=[{"token": "Hi", "logprob": -0.1}])),
        (ResponseStreamEvent, {"type": "response.output_text.delta", "delta": None}),
        (ResponseStreamEvent, {"type": "response.output_text.done", "text": "Hi", **PLACE}),
        (ResponseStreamEvent, {"type": "response.news", "of": "a later API"}),
        (ResponseStreamEvent, {"type": ["response.news"]}),
        *((ResponseStreamEvent, event) for event in _whole_answer()),
        (ChatCompletionChunk, chunk("Hi")),
        (ChatCompletionChunk, chunk(None, "stop", usage=None, news=1)),
        (ChatCompletionChunk, {"id": "1", "choices": [{"delta": {"content": "Hi"}}]}),
        (ChatCompletionChunk, {"object": "chat.completion.chunk", "choices": None}),
    ],
)
def test_an_event_is_what_the_package_makes_of_it(kind: Any, event: dict[str, Any]) -> None:
    response = httpx2.Response(200)
    plain = AsyncOpenAI(api_key="k")._process_response_data(
        data=event, cast_to=kind, response=response
    )

    ours = StreamingClient(api_key="k")._process_response_data(
        data=event, cast_to=kind, response=response
    )

    assert type(ours) is type(plain)
    assert ours == plain
    assert ours.model_dump(exclude_unset=True) == plain.model_dump(exclude_unset=True)
    assert ours.model_dump() == plain.model_dump()


TEXT = "Set `DATABASE_URL` to the connection string [1]. " * 2 + "Use `items[1]` for more [1][99]."


def ask(url: str) -> Reply:
    return Client(url).ask("How do I connect to Neon?")


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_answers_among_many_are_the_same_as_one_alone(start_server: StartServer, api: str) -> None:
    def answer(request: ModelRequest) -> Say:
        # One alone, then all of the others at once, however long they take to come. What the model
        # has still to say queues up while they pause: it says that without a pause of its own.
        return Say(TEXT, cut=3, hold_after=1 if model.requests[1:] else None)

    with (
        ScriptedModel(answer) as model,
        start_server(
            openai_base_url=model.base_url, model="m", model_api=api, address_messages="off"
        ) as url,
        ThreadPoolExecutor(24) as pool,
    ):
        alone = ask(url)
        replies = pool.map(ask, itertools.repeat(url, 24))
        model.wait_for(lambda m: len(m.requests) == 25)
        model.release()
        among = list(replies)

    def deltas(reply: Reply) -> list[str]:
        updates = [event["update"] for event in reply.of("thread.item.updated")]
        return [update["delta"] for update in updates if "delta" in update]

    assert len(alone.urls) == 3
    for reply in among:
        assert reply.error is None
        assert "".join(deltas(reply)) == "".join(deltas(alone)) == reply.text == alone.text
        assert reply.answer["content"] == alone.answer["content"]
    assert sum(len(deltas(reply)) for reply in among) < 24 * len(deltas(alone)) * 0.7


def test_the_first_delta_does_not_wait_for_a_second(start_server: StartServer) -> None:
    def answer(request: ModelRequest) -> Say | Call:
        if request.tool_outputs or "bread" not in request.text:
            return Say("Here is more than one delta.", cut=8, hold_after=1)
        return Call("search_docs", {"query": "bread"})

    def converse(number: int) -> Reply:
        question = "How do I bake bread?" if number % 2 else "How do I connect to Neon?"
        with Client(url).stream("threads.create", input=message(question)) as events:
            begun = []
            for event in events:
                begun.append(event)
                if "delta" in event.get("update", {}):
                    break
            # The model says more once each of the readers has got its first delta.
            everybody.wait(60)
            return Reply([*begun, *events])

    everybody = threading.Barrier(30, action=lambda: model.release())
    with (
        ScriptedModel(answer) as model,
        start_server(openai_base_url=model.base_url, model="m", address_messages="off") as url,
        ThreadPoolExecutor(30) as pool,
    ):
        replies = list(pool.map(converse, range(30)))

    assert [reply.text for reply in replies] == ["Here is more than one delta."] * 30
