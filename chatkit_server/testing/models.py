"""A scripted model that speaks both OpenAI APIs on loopback."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .servers import serve_in_thread


@dataclass(frozen=True, slots=True)
class Say:
    """A message, streamed in pieces of `cut` characters."""

    text: str
    cut: int = 4
    pause: float = 0.0
    """Seconds between two pieces."""
    hold_after: int | None = None
    """After so many pieces, wait for `ScriptedModel.release`."""
    cut_off: Literal["length", "content_filter"] | None = None
    """Why the provider ends the message before the model did."""
    usage: bool = True
    """Whether the answer says how many tokens it took, 100 and 20; not every server does."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function tool."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fail:
    """An HTTP error instead of an answer."""

    status: int = 500
    message: str = "scripted failure"
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Break:
    """The beginning of a message, then the connection is dropped."""

    text: str
    pause: float = 0.2
    """Seconds before it is dropped, so that the client has read the text."""
    hold: bool = False
    """Wait for `ScriptedModel.release` too: what comes with the end of a connection is lost."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The model declines, in the API's own form of a refusal."""

    text: str


Answer = Say | Call | Fail | Break | Refuse
_INSTRUCTING = ("system", "developer")


@dataclass(slots=True)
class ModelRequest:
    """One call of the model, as it came in."""

    api: Literal["responses", "chat"]
    body: dict[str, Any]
    headers: dict[str, str]
    at: float = field(default_factory=time.monotonic)
    """`time.monotonic()` of its arrival."""
    hung_up_at: float | None = None
    """`time.monotonic()` of the moment when the client left before the end."""
    sent: int = 0
    """Pieces of the message that were sent."""

    @property
    def input(self) -> list[dict[str, Any]]:
        """The conversation: Responses input items, or chat messages without the instructions."""
        if self.api == "responses":
            return list(self.body.get("input", []))
        return [message for message in self._messages if message["role"] not in _INSTRUCTING]

    @property
    def _messages(self) -> list[dict[str, Any]]:
        return list(self.body.get("messages", []))

    @property
    def instructions(self) -> str:
        """What the model was told beside the conversation."""
        if self.api == "responses":
            return str(self.body.get("instructions") or "")
        return "\n".join(str(m["content"]) for m in self._messages if m["role"] in _INSTRUCTING)

    @property
    def tools(self) -> dict[str, dict[str, Any]]:
        """The tools offered: name to its definition with `description` and `parameters`."""
        defined = [tool.get("function", tool) for tool in self.body.get("tools", [])]
        return {tool["name"]: tool for tool in defined}

    @property
    def tool_outputs(self) -> list[str]:
        """What tools have answered so far, in order."""
        if self.api == "responses":
            return [str(i["output"]) for i in self.input if i.get("type") == "function_call_output"]
        return [str(m["content"]) for m in self.input if m.get("role") == "tool"]

    @property
    def text(self) -> str:
        """All of the conversation's text, to look for something in it."""
        return json.dumps(self.input, ensure_ascii=False)


class ScriptedModel:
    """Answers calls in the order of the script, then with the last answer again.

    Args:
        script: Answers, or one function that makes an answer from a `ModelRequest`.
    """

    def __init__(self, *script: Answer | Callable[[ModelRequest], Answer]) -> None:
        self._script = script or (Say("I have no script."),)
        self._next = itertools.count()
        self._released = threading.Event()
        self._changed = threading.Condition()
        self._stack = ExitStack()
        self.requests: list[ModelRequest] = []
        self.base_url = ""
        """What goes into OPENAI_BASE_URL; set inside the block."""

    def __enter__(self) -> Self:
        app = Starlette(
            routes=[
                Route("/v1/responses", self._responses, methods=["POST"]),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
            ]
        )
        self.base_url = self._stack.enter_context(serve_in_thread(app, graceful=1)) + "/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._stack.close()

    def release(self) -> None:
        """Let held answers go on."""
        self._released.set()

    def wait_for(self, condition: Callable[[Self], bool], timeout: float = 60.0) -> None:
        """Wait until something is true of the requests; TimeoutError otherwise.

        For example `model.wait_for(lambda m: m.requests[0].hung_up_at is not None)`.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: bool(condition(self)), timeout):
                raise TimeoutError(f"not true after {timeout} s: {condition}")

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    async def _note(
        self, api: Literal["responses", "chat"], request: Request
    ) -> tuple[ModelRequest, Answer]:
        noted = ModelRequest(api, await request.json(), dict(request.headers))
        with self._changed:
            self.requests.append(noted)
            self._changed.notify_all()
        step = self._script[min(next(self._next), len(self._script) - 1)]
        return noted, step(noted) if callable(step) else step

    async def _responses(self, request: Request) -> Response:
        noted, answer = await self._note("responses", request)
        if isinstance(answer, Fail):
            return failure(answer)
        if not noted.body.get("stream"):
            if isinstance(answer, Break):
                return failure(Fail(message="the script breaks off here"))
            await self._hold(answer)
            *_, last = _responses_events(answer)
            return JSONResponse(last["response"])
        frames = (
            f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
            for event in _responses_events(answer)
        )
        return self._stream(noted, answer, frames, "response.output_text.delta")

    async def _chat(self, request: Request) -> Response:
        noted, answer = await self._note("chat", request)
        if isinstance(answer, Fail):
            return failure(answer)
        if not noted.body.get("stream"):
            await self._hold(answer)
            return JSONResponse(_chat_completion(answer))
        frames = (f"data: {json.dumps(chunk)}\n\n" for chunk in _chat_chunks(answer))
        end = [] if isinstance(answer, Break) else ["data: [DONE]\n\n"]
        return self._stream(noted, answer, itertools.chain(frames, end), '"content": ')

    def _stream(
        self, noted: ModelRequest, answer: Answer, frames: Iterator[str], piece: str
    ) -> StreamingResponse:
        async def body() -> AsyncIterator[str]:
            complete = False
            try:
                for frame in frames:
                    if piece in frame:
                        if isinstance(answer, Say):
                            await self._wait(answer, noted.sent)
                        noted.sent += 1
                        self._notify()
                    yield frame
                complete = not isinstance(answer, Break)
                if isinstance(answer, Break):
                    if answer.hold:
                        await self._let_go()
                    await asyncio.sleep(answer.pause)
                    raise ConnectionAbortedError("the script breaks off here")
            finally:
                if not complete and not isinstance(answer, Break):
                    noted.hung_up_at = time.monotonic()
                self._notify()

        return StreamingResponse(body(), media_type="text/event-stream")

    async def _hold(self, answer: Answer) -> None:
        """Hold an answer that is not streamed, where the script says so."""
        if isinstance(answer, Say):
            await self._wait(answer, len(_cut(answer)))

    async def _wait(self, answer: Say, sent: int) -> None:
        if answer.hold_after is not None and sent >= answer.hold_after:
            await self._let_go()
        if answer.pause:
            await asyncio.sleep(answer.pause)

    async def _let_go(self) -> None:
        # From the test's thread, which an asyncio.Event does not take.
        while not self._released.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def failure(answer: Fail) -> JSONResponse:
    """The response of an OpenAI-compatible server that fails."""
    error = {"message": answer.message, "type": "scripted", "code": answer.code, "param": None}
    return JSONResponse({"error": error}, status_code=answer.status)


def _cut(answer: Say | Break | Refuse) -> list[str]:
    size = answer.cut if isinstance(answer, Say) else len(answer.text)
    return [answer.text[at : at + size] for at in range(0, len(answer.text), size)]


_USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 120,
}


_CHAT_USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def _id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"


def _tells_usage(answer: Say | Call | Break | Refuse) -> bool:
    return not isinstance(answer, Say) or answer.usage


def _responses_events(answer: Say | Call | Break | Refuse) -> Iterator[dict[str, Any]]:
    number = itertools.count()
    response: dict[str, Any] = {
        "id": _id("resp"),
        "object": "response",
        "created_at": 0,
        "model": "scripted",
        "output": [],
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "status": "in_progress",
    }

    def event(kind: str, **fields: Any) -> dict[str, Any]:
        return {"type": kind, "sequence_number": next(number), **fields}

    yield event("response.created", response=response)
    if isinstance(answer, Call):
        item: dict[str, Any] = {
            "id": _id("fc"),
            "call_id": _id("call"),
            "type": "function_call",
            "name": answer.name,
            "arguments": json.dumps(answer.arguments),
            "status": "completed",
        }
        yield event(
            "response.output_item.added",
            output_index=0,
            item={**item, "arguments": "", "status": "in_progress"},
        )
    elif isinstance(answer, Refuse):
        refusal = {"type": "refusal", "refusal": answer.text}
        item = {
            "id": _id("msg"),
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [refusal],
        }
        place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
        yield event(
            "response.output_item.added",
            output_index=0,
            item={**item, "content": [], "status": "in_progress"},
        )
        yield event("response.content_part.added", part={**refusal, "refusal": ""}, **place)
        yield event("response.refusal.delta", delta=answer.text, **place)
        yield event("response.refusal.done", refusal=answer.text, **place)
        yield event("response.content_part.done", part=refusal, **place)
    else:
        item = {
            "id": _id("msg"),
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": answer.text, "annotations": []}],
        }
        part = {"type": "output_text", "text": "", "annotations": []}
        place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
        yield event(
            "response.output_item.added",
            output_index=0,
            item={**item, "content": [], "status": "in_progress"},
        )
        yield event("response.content_part.added", part=part, **place)
        for piece in _cut(answer):
            yield event("response.output_text.delta", delta=piece, logprobs=[], **place)
        if isinstance(answer, Break):
            return
        yield event("response.output_text.done", text=answer.text, logprobs=[], **place)
        yield event("response.content_part.done", part=item["content"][0], **place)
    yield event("response.output_item.done", output_index=0, item=item)
    usage = _USAGE if _tells_usage(answer) else None
    done = {**response, "status": "completed", "output": [item], "usage": usage}
    if isinstance(answer, Say) and answer.cut_off:
        reason = "max_output_tokens" if answer.cut_off == "length" else answer.cut_off
        done |= {"status": "incomplete", "incomplete_details": {"reason": reason}}
    yield event(f"response.{done['status']}", response=done)


def _chat_chunks(answer: Say | Call | Break | Refuse) -> Iterator[dict[str, Any]]:
    base = {
        "id": _id("chatcmpl"),
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "scripted",
    }

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    yield chunk({"role": "assistant"})
    if isinstance(answer, Call):
        function = {"name": answer.name, "arguments": json.dumps(answer.arguments)}
        call = {"index": 0, "id": _id("call"), "type": "function", "function": function}
        yield chunk({"tool_calls": [call]})
        yield chunk({}, "tool_calls")
    elif isinstance(answer, Refuse):
        yield chunk({"refusal": answer.text})
        yield chunk({}, "stop")
    else:
        for piece in _cut(answer):
            yield chunk({"content": piece})
        if isinstance(answer, Break):
            return
        yield chunk({}, answer.cut_off or "stop")
    if _tells_usage(answer):
        yield {**base, "choices": [], "usage": _CHAT_USAGE}


def _chat_completion(answer: Say | Call | Break | Refuse) -> dict[str, Any]:
    """The same answer in one piece."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    if isinstance(answer, Call):
        function = {"name": answer.name, "arguments": json.dumps(answer.arguments)}
        message["tool_calls"] = [{"id": _id("call"), "type": "function", "function": function}]
    elif isinstance(answer, Refuse):
        message["refusal"] = answer.text
    else:
        message["content"] = answer.text
    finish = "tool_calls" if isinstance(answer, Call) else "stop"
    return {
        "id": _id("chatcmpl"),
        "object": "chat.completion",
        "created": 0,
        "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": _CHAT_USAGE if _tells_usage(answer) else None,
    }
