"""What the ChatKit SDK gets wrong by itself, on the whole server."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from chatkit.types import HiddenContextItem
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Scope

from chatkit_server.app import create_app
from chatkit_server.context import RequestContext
from chatkit_server.identity import anonymous_user
from chatkit_server.response import RUNNING
from chatkit_server.sdk import REQUESTS
from chatkit_server.settings import read_settings
from chatkit_server.testing import Call, Say, ScriptedModel, serve_in_thread
from chatkit_stores import PostgresStore
from tests.fixtures.app import Client, StartServer, message
from tests.fixtures.modules import WriteModule
from tests.fixtures.postgres import execute, rows

QUESTION = message("How do I connect to Neon?")
SECRET = "s" * 32


@pytest.fixture
def make_app(database_url: str, docs_data: Path) -> Callable[[ScriptedModel], FastAPI]:
    def make(model: ScriptedModel) -> FastAPI:
        settings = {"database_url": database_url, "data_dir": docs_data, "model": "m"}
        return create_app(read_settings({**settings, "openai_base_url": model.base_url}))

    return make


async def stored(database_url: str) -> list[dict[str, Any]]:
    query = "select data::text from chatkit.items where data is not null order by seq"
    return [json.loads(data) for (data,) in await rows(database_url, query)]


async def test_a_server_that_reports_a_lost_connection_by_an_error_keeps_the_text_too(
    make_app: Callable[[ScriptedModel], FastAPI], database_url: str
) -> None:
    """From ASGI 2.4 on nothing listens for the client any more: `send` raises OSError."""
    text = "One two three four five"
    with ScriptedModel(Say(text, hold_after=4)) as model:
        app = make_app(model)
        body = json.dumps({"type": "threads.create", "params": {"input": QUESTION}}).encode()
        deltas = itertools.count(1)
        waiting: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        incoming = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Message:
            return next(incoming, None) or await waiting

        async def send(sent: Message) -> None:
            if b"text_delta" in sent.get("body", b"") and next(deltas) == 3:
                raise OSError("the client has left")

        async with app.router.lifespan_context(app):
            with contextlib.suppress(Exception):
                await app(scope("2.4"), receive, send)
            await asyncio.wait_for(asyncio.gather(*RUNNING), 60)
            assert not RUNNING
            await asyncio.to_thread(model.wait_for, lambda m: m.requests[0].hung_up_at is not None)
        items = await stored(database_url)

    assert [item["type"] for item in items] == [
        "user_message",
        "assistant_message",
        "sdk_hidden_context",
    ]
    kept = items[1]["content"][0]["text"]
    assert len(kept) >= 8
    assert text.startswith(kept)
    assert kept != text


def scope(version: str) -> Scope:
    headers = {"content-type": "application/json", "x-session-id": SECRET}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": version},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/chatkit",
        "raw_path": b"/chatkit",
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }


async def pass_on(request: Request, call_next: RequestResponseEndpoint) -> Response:
    return await call_next(request)


async def test_behind_middleware_answers_stream_at_once_and_partial_ones_are_kept(
    make_app: Callable[[ScriptedModel], FastAPI], database_url: str
) -> None:
    with ScriptedModel(Say("One two three four five", hold_after=4)) as model:
        app = make_app(model)
        app.add_middleware(GZipMiddleware, minimum_size=1)
        app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
        with serve_in_thread(app) as url:
            client = Client(url)
            with client.stream("threads.create", input=QUESTION) as events:
                # Though the model waits: nothing collects the answer first.
                seen = ""
                while len(seen) < 8:
                    seen += next(events).get("update", {}).get("delta", "")
            model.wait_for(lambda m: m.requests[0].hung_up_at is not None)
        items = await stored(database_url)

    assert items[1]["content"][0]["text"].startswith(seen.rstrip())


TOOLS = '''
import asyncio
from pathlib import Path
from typing import Any

from agents import Agent, RunContextWrapper, StopAtTools, function_tool
from chatkit.agents import AgentContext, ClientToolCall
from chatkit.types import CustomTask

import chatkit_server.sdk  # as the server does, before anything has a time


async def think() -> str:
    """Think for ever."""
    try:
        await asyncio.Event().wait()
    finally:
        Path("cancelled").touch()


async def fail() -> str:
    """Look out of the window."""
    raise RuntimeError("there is none")


@function_tool
async def where(context: RunContextWrapper[AgentContext[Any]]) -> str:
    """Ask the page how far the reader has scrolled."""
    await context.context.add_workflow_task(CustomTask(title="Asking the page"))
    context.context.client_tool_call = ClientToolCall(name="where", arguments={})
    return "asked"


guide = Agent(
    name="guide",
    instructions="",
    tools=[where],
    tool_use_behavior=StopAtTools(stop_at_tool_names=["where"]),
)
'''


@pytest.fixture
def tools_module(write_module: WriteModule) -> str:
    return write_module("slow_tools", TOOLS)


def test_a_stop_during_a_tool_cancels_the_tool_and_frees_the_thread(
    start_server: StartServer, tools_module: str, tmp_path: Path
) -> None:
    with (
        ScriptedModel(Call("think"), Say("Next.")) as model,
        start_server(
            openai_base_url=model.base_url, model="m", tools=f"{tools_module}:think"
        ) as url,
    ):
        client = Client(url)
        with client.stream("threads.create", input=QUESTION) as events:
            thread_id = next(events)["thread"]["id"]
            next(event for event in events if event["type"] == "progress_update")
        # Waits for the stopped turn, which has to be stored.
        reply = client.ask("Go on?", thread_id)
        cancelled = (tmp_path / "cancelled").exists()
        items = client.items(thread_id)

    assert cancelled
    assert reply.text == "Next."
    assert len(model.requests) == 2
    assert [item["type"] for item in items] == ["user_message", "user_message", "assistant_message"]


def test_a_workflow_that_a_client_tool_interrupts_goes_on_as_one_item(
    start_server: StartServer, tools_module: str
) -> None:
    """The SDK adds it twice, and dies of a time with an offset beside one without."""
    with (
        ScriptedModel(Call("where"), Say("You are at 40.")) as model,
        start_server(
            openai_base_url=model.base_url, model="m", agent=f"{tools_module}:guide"
        ) as url,
    ):
        client = Client(url)
        asked = client.ask("Where am I?")
        waiting = client.items(asked.thread_id)
        events = client.events(
            "threads.add_client_tool_output", thread_id=asked.thread_id, result={"y": 40}
        )
        items = client.items(asked.thread_id)

    kinds = ["user_message", "workflow", "client_tool_call"]
    assert [item["type"] for item in waiting] == kinds
    assert [event for event in events if event["type"] == "error"] == []
    assert [item["type"] for item in items] == [*kinds, "assistant_message"]
    assert items[1]["id"] == waiting[1]["id"]
    workflow = items[1]["workflow"]
    assert [task["title"] for task in workflow["tasks"]] == ["Asking the page"]
    assert workflow["summary"]["duration"] >= 0


def test_a_tool_that_fails_does_not_end_the_answer(
    start_server: StartServer, tools_module: str
) -> None:
    with (
        ScriptedModel(Call("fail"), Say("Without it, then.")) as model,
        start_server(
            openai_base_url=model.base_url, model="m", tools=f"{tools_module}:fail"
        ) as url,
    ):
        reply = Client(url).ask("What is the weather?")

    assert reply.error is None
    assert reply.text == "Without it, then."
    [output] = model.requests[1].tool_outputs
    assert "error" in output


def test_a_model_that_only_calls_tools_is_stopped_with_a_sentence(
    start_server: StartServer,
) -> None:
    with (
        ScriptedModel(Call("search_docs", {"query": "neon"})) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
    ):
        client = Client(url)
        reply = client.ask("How do I connect to Neon?")
        items = client.items(reply.thread_id)

    assert reply.error is not None
    assert "too many steps" in reply.error["message"]
    assert reply.error["allow_retry"] is False
    assert len(model.requests) < 20
    assert [item["type"] for item in items] == ["user_message"]


Event = dict[str, Any]


@contextmanager
def provider(*answers: list[Event]) -> Iterator[str]:
    """A Responses API that answers with these events, the last ones again; its base URL."""
    numbers = itertools.count()

    async def answer(request: Request) -> Response:
        events = answers[min(next(numbers), len(answers) - 1)]

        async def frames() -> AsyncIterator[str]:
            for number, event in enumerate(events):
                yield f"data: {json.dumps({**event, 'sequence_number': number})}\n\n"

        return StreamingResponse(frames(), media_type="text/event-stream")

    app = Starlette(routes=[Route("/v1/responses", answer, methods=["POST"])])
    with serve_in_thread(app) as url:
        yield f"{url}/v1"


def says(text: str, *, index: int = 0, annotation: Event | None = None) -> list[Event]:
    """The events of one message."""
    annotations = [annotation] if annotation else []
    part = {"type": "output_text", "text": text, "annotations": annotations}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
    place = {"item_id": "msg_1", "output_index": index, "content_index": 0}
    empty = {**part, "text": "", "annotations": []}
    kind = "response.output_text"
    events: list[Event] = [
        {
            "type": "response.output_item.added",
            "output_index": index,
            "item": {**item, "content": []},
        },
        {"type": "response.content_part.added", "part": empty, **place},
        {"type": f"{kind}.delta", "delta": text, "logprobs": [], **place},
    ]
    if annotation:
        events.append(
            {
                "type": f"{kind}.annotation.added",
                "annotation_index": 0,
                "annotation": annotation,
                **place,
            }
        )
    return [
        *events,
        {"type": f"{kind}.done", "text": text, "logprobs": [], **place},
        {"type": "response.content_part.done", "part": part, **place},
        {
            "type": "response.output_item.done",
            "output_index": index,
            "item": {**item, "content": [part]},
        },
        completed({**item, "content": [part]}),
    ]


def completed(*items: Event) -> Event:
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": 0,
        "model": "m",
        "output": items,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "status": "completed",
    }
    return {"type": "response.completed", "response": response}


def calls(*names: str) -> list[Event]:
    """The events of tools that are called side by side."""
    items = [
        {
            "id": f"fc_{number}",
            "call_id": f"call_{number}",
            "type": "function_call",
            "name": name,
            "arguments": "{}",
            "status": "completed",
        }
        for number, name in enumerate(names)
    ]
    done = [
        {"type": "response.output_item.done", "output_index": number, "item": item}
        for number, item in enumerate(items)
    ]
    return [*done, completed(*items)]


def thinks(*pieces: str) -> list[Event]:
    """The events of a thought that comes in pieces; without any, of one that is not shown."""
    item = {"id": "rs_1", "type": "reasoning", "summary": []}
    place = {"item_id": "rs_1", "output_index": 0, "summary_index": 0}
    kind = "response.reasoning_summary_text"
    events: list[Event] = [{"type": f"{kind}.delta", "delta": piece, **place} for piece in pieces]
    if pieces:
        events.append({"type": f"{kind}.done", "text": "".join(pieces), **place})
    return [
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        *events,
        {"type": "response.output_item.done", "output_index": 0, "item": item},
    ]


def test_of_two_client_tools_at_once_one_is_asked_and_the_thread_goes_on(
    start_server: StartServer, tools_module: str
) -> None:
    with (
        provider(calls("where", "where"), says("You are at 40.")) as base_url,
        start_server(
            openai_base_url=base_url,
            model="m",
            model_api="responses",
            agent=f"{tools_module}:guide",
        ) as url,
    ):
        client = Client(url)
        asked = client.ask("Where am I?")
        waiting = client.items(asked.thread_id)
        events = client.events(
            "threads.add_client_tool_output", thread_id=asked.thread_id, result={"y": 40}
        )
        items = client.items(asked.thread_id)

    assert [item["type"] for item in waiting] == ["user_message", "workflow", "client_tool_call"]
    assert [event for event in events if event["type"] == "error"] == []
    assert items[-1]["content"][0]["text"] == "You are at 40."
    # Side by side, the tools have shared one workflow, and each has its own task there.
    assert len(items[1]["workflow"]["tasks"]) == 2


def test_a_citation_of_the_providers_own_search_reaches_the_reader(
    start_server: StartServer,
) -> None:
    cited = {
        "type": "url_citation",
        "start_index": 0,
        "end_index": 3,
        "title": "Example",
        "url": "https://example.com/a",
    }
    with (
        provider(says("See it there.", annotation=cited)) as base_url,
        start_server(openai_base_url=base_url, model="m", model_api="responses") as url,
    ):
        client = Client(url)
        reply = client.ask("Where?")
        stored = client.items(reply.thread_id)[-1]

    assert reply.error is None
    assert reply.urls == ["https://example.com/a"]
    assert stored == reply.answer


def test_a_long_thought_is_not_sent_again_with_every_word(start_server: StartServer) -> None:
    pieces = [f"step {number}, " for number in range(1000)]
    thought = "".join(pieces)
    with (
        provider([*thinks(*pieces), *says("Done.", index=1)]) as base_url,
        start_server(openai_base_url=base_url, model="m", model_api="responses") as url,
    ):
        client = Client(url)
        reply = client.ask("Why?")
        items = client.items(reply.thread_id)

    tasks = [
        event["update"]["task"]["content"]
        for event in reply.of("thread.item.updated")
        if "task" in event["update"]
    ]
    assert tasks[-1] == thought
    assert all(thought.startswith(task) for task in tasks)
    # The SDK alone sends five hundred times its length.
    assert sum(map(len, tasks)) < 7 * len(thought)
    assert [item["type"] for item in items] == ["user_message", "workflow", "assistant_message"]
    assert items[1]["workflow"]["tasks"][0]["content"] == thought


def test_thinking_that_shows_nothing_leaves_no_empty_item(start_server: StartServer) -> None:
    with (
        provider([*thinks(), *says("Done.", index=1)]) as base_url,
        start_server(openai_base_url=base_url, model="m", model_api="responses") as url,
    ):
        client = Client(url)
        reply = client.ask("Why?")
        items = client.items(reply.thread_id)

    assert "workflow" not in json.dumps(reply.events)
    assert [item["type"] for item in items] == ["user_message", "assistant_message"]


async def test_a_page_of_hidden_items_is_empty_and_leads_on(
    start_server: StartServer, store: PostgresStore
) -> None:
    with start_server() as url:
        client = Client(url)
        thread_id = client.ask("How do I connect to Neon?").thread_id
        shown = [item["id"] for item in client.items(thread_id)]
        context = RequestContext(anonymous_user(client.secret) or "")
        for number in range(3):
            hidden = HiddenContextItem(
                id=f"hctx_{number}", thread_id=thread_id, created_at=datetime.now(UTC), content="x"
            )
            await store.add_thread_item(thread_id, hidden, context)

        pages, after = [], None
        while True:
            page = client.post(
                "items.list", thread_id=thread_id, limit=2, order="desc", after=after
            ).json()
            pages.append([item["id"] for item in page["data"]])
            after = page.get("after")
            if not page["has_more"]:
                break

    assert pages == [[], [shown[1]], [shown[0]]]
    assert after is None


async def test_a_request_is_parsed_once(make_app: Callable[[ScriptedModel], FastAPI]) -> None:
    """The SDK builds its parser anew for each request, which takes longer than all the rest."""
    with ScriptedModel() as model:
        app = make_app(model)
        async with app.router.lifespan_context(app):
            parsed: Any = REQUESTS.validate_json(b'{"type": "threads.list", "params": {}}')
            context = RequestContext("nobody", request=parsed)
            result = await app.state.parts.server.process(b"not looked at", context)

    assert json.loads(result.json) == {"data": [], "has_more": False}


async def test_a_fault_of_the_server_can_be_read_by_the_page(
    start_server: StartServer, database_url: str
) -> None:
    """A 500 of the framework has no CORS headers: the browser tells of a broken network."""
    origin = "https://docs.example"
    with start_server(allowed_origins=(origin,)) as url:
        client = Client(url)
        thread_id = client.ask("How do I connect to Neon?").thread_id
        await execute(database_url, """update chatkit.threads set title = '{"secret": 1}'""")
        response = client.send(
            {"type": "threads.get_by_id", "params": {"thread_id": thread_id}},
            headers={"Origin": origin},
        )

    assert response.status_code == 500
    assert response.headers["access-control-allow-origin"] == origin
    assert response.json()["error"]["code"] == "internal"
    assert "secret" not in response.text
