"""Answers that the Agents SDK makes, from a model at the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agents import (
    Agent,
    GuardrailFunctionOutput,
    OpenAIResponsesModel,
    OutputGuardrailTripwireTriggered,
    RunConfig,
    RunContextWrapper,
    Runner,
    StopAtTools,
    function_tool,
    output_guardrail,
)
from chatkit.agents import (
    AgentContext,
    ClientToolCall,
    ResponseStreamConverter,
    stream_agent_response,
)
from chatkit.types import CustomTask
from openai import AsyncOpenAI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chatkit_server.testing import Call, Say, ScriptedModel, serve_in_thread
from tests.contract.transcripts.stage import Events, Stage


async def run(stage: Stage, base_url: str, **agent: Any) -> Events:
    context: AgentContext[None] = AgentContext(
        thread=stage.thread, store=stage.store, request_context=None
    )
    async with AsyncOpenAI(base_url=base_url, api_key="unused") as client:
        model = OpenAIResponsesModel("scripted", client)
        result = Runner.run_streamed(
            Agent(name="docs", model=model, **agent),
            "Answer.",
            context=context,
            run_config=RunConfig(tracing_disabled=True),
        )
        converter = ResponseStreamConverter(partial_images=2)
        async for event in stream_agent_response(context, result, converter=converter):
            yield event


@contextmanager
def wire(*events: dict[str, Any]) -> Iterator[str]:
    """A model that streams these events of the Responses API; gives its base URL."""
    numbered = [{**event, "sequence_number": at} for at, event in enumerate(events)]
    body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in numbered)

    async def answer(request: Request) -> Response:
        return Response(body, media_type="text/event-stream")

    app = Starlette(routes=[Route("/v1/responses", answer, methods=["POST"])])
    with serve_in_thread(app, graceful=1) as url:
        yield f"{url}/v1"


def response(status: str, *output: dict[str, Any]) -> dict[str, Any]:
    fixed = {"id": "resp_1", "object": "response", "created_at": 0, "model": "scripted"}
    tools = {"parallel_tool_calls": False, "tool_choice": "auto", "tools": []}
    body = {**fixed, **tools, "status": status, "output": list(output)}
    name = "created" if status == "in_progress" else status
    return {"type": f"response.{name}", "response": body}


def part(
    text: str, *annotations: dict[str, Any], place: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    empty = {"type": "output_text", "text": "", "annotations": []}
    yield {"type": "response.content_part.added", "part": empty, **place}
    for at in range(0, len(text), 5):
        delta = {"delta": text[at : at + 5], "logprobs": []}
        yield {"type": "response.output_text.delta", **delta, **place}
    for at, annotation in enumerate(annotations):
        added = {"annotation": annotation, "annotation_index": at}
        yield {"type": "response.output_text.annotation.added", **added, **place}
    yield {"type": "response.output_text.done", "text": text, "logprobs": [], **place}
    full = {**empty, "text": text, "annotations": list(annotations)}
    yield {"type": "response.content_part.done", "part": full, **place}


def citation(url: str, title: str, start: int, end: int) -> dict[str, Any]:
    place = {"start_index": start, "end_index": end}
    return {"type": "url_citation", "url": url, "title": title, **place}


def thoughts(*texts: str) -> Iterator[dict[str, Any]]:
    summary = [{"type": "summary_text", "text": text} for text in texts]
    item = {"id": "rs_1", "type": "reasoning", "summary": summary}
    empty = {**item, "summary": []}
    yield {"type": "response.output_item.added", "output_index": 0, "item": empty}
    for at, text in enumerate(texts):
        place = {"item_id": "rs_1", "output_index": 0, "summary_index": at}
        for piece in (text[:6], text[6:]):
            yield {"type": "response.reasoning_summary_text.delta", "delta": piece, **place}
        yield {"type": "response.reasoning_summary_text.done", "text": text, **place}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}


async def greet(stage: Stage) -> Events:
    """Text in pieces that cut between an emoji and its skin tone."""
    with ScriptedModel(
        Say("Grüße 👋🏽 – set `pool` to 10️⃣, and\n\n\u2028stop. 🏴‍☠️", cut=3)
    ) as model:
        async for event in run(stage, model.base_url):
            yield event
    stage.thread.title = "Grüße 👋🏽"


def message(item_id: str, at: int, *parts: tuple[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """A message and its parts, each a text with its annotations; the last event has it whole."""
    content = [{"type": "output_text", "text": text, "annotations": cited} for text, cited in parts]
    item = {"id": item_id, "type": "message", "role": "assistant", "status": "completed"}
    empty = {**item, "content": [], "status": "in_progress"}
    yield {"type": "response.output_item.added", "output_index": at, "item": empty}
    for index, (text, cited) in enumerate(parts):
        place = {"item_id": item_id, "output_index": at, "content_index": index}
        yield from part(text, *cited, place=place)
    whole = {**item, "content": content}
    yield {"type": "response.output_item.done", "output_index": at, "item": whole}


async def cite(stage: Stage) -> Events:
    """Thoughts, then a message of two parts with citations."""
    neon = citation("/docs/neon#pool", "Neon", 0, 7)
    pools = citation("/docs/pools", "Pools", 8, 26)
    settings = citation("/docs/settings", "Settings", 0, 28)
    *rest, last = message(
        "msg_wire",
        1,
        ("Pools 🏊 are on by default.", [neon, pools]),
        ("Turn them off with `pool=0`. 👍", [settings]),
    )
    thinking = thoughts("Read about pools", "Compare both pages")
    events = [response("in_progress"), *thinking, *rest, last]
    with wire(*events, response("completed", last["item"])) as base_url:
        async for event in run(stage, base_url):
            yield event


async def draw(stage: Stage) -> Events:
    """An image in steps, and a word about it."""
    item = {"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "QUJD"}
    empty = {**item, "status": "in_progress", "result": None}
    place = {"item_id": "ig_1", "output_index": 0}
    partial = {"type": "response.image_generation_call.partial_image", **place}
    *rest, last = message("msg_wire", 1, ("Here it is.", []))
    with wire(
        response("in_progress"),
        {"type": "response.output_item.added", "output_index": 0, "item": empty},
        *({**partial, "partial_image_index": at, "partial_image_b64": "QUI="} for at in (0, 1)),
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        *rest,
        last,
        response("completed", item, last["item"]),
    ) as base_url:
        async for event in run(stage, base_url):
            yield event


@function_tool
async def where(ctx: RunContextWrapper[AgentContext[None]]) -> str:
    """Ask the page where the reader is."""
    await ctx.context.add_workflow_task(CustomTask(title="Ask the page", icon="compass"))
    ctx.context.client_tool_call = ClientToolCall(name="where", arguments={"deep": True})
    return ""


async def call_page(stage: Stage) -> Events:
    """A tool call that the page is to carry out, in a workflow that stays open."""
    with ScriptedModel(Call("where")) as model:
        stop = StopAtTools(stop_at_tool_names=["where"])
        async for event in run(stage, model.base_url, tools=[where], tool_use_behavior=stop):
            yield event


async def go_on(stage: Stage) -> Events:
    """The end of the workflow that was left open, and the answer."""
    with ScriptedModel(Say("You read about Neon.")) as model:
        async for event in run(stage, model.base_url):
            yield event


async def withdraw(stage: Stage) -> Events:
    """A message that is taken back when it was shown, and another in its place."""
    shown = asyncio.Event()

    @output_guardrail
    async def refuse(
        ctx: RunContextWrapper[Any], agent: Agent[Any], output: Any
    ) -> GuardrailFunctionOutput:
        await shown.wait()
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    with ScriptedModel(Say("Nobody should read this.")) as model:
        try:
            async for event in run(stage, model.base_url, output_guardrails=[refuse]):
                yield event
                if event.type == "thread.item.done":
                    shown.set()
        except OutputGuardrailTripwireTriggered:
            yield stage.said("I cannot say that.")
