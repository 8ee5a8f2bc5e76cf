"""Answers without a model: quotes the best passages and links them."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Protocol

from agents import ModelResponse, ModelSettings, TResponseInputItem, Usage
from agents.models.interface import Model, ModelTracing
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseContentPartAddedEvent,
    ResponseFunctionToolCall,
    ResponseOutputItemAddedEvent,
    ResponseOutputItemDoneEvent,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseStreamEvent,
    ResponseTextDeltaEvent,
    ResponseTextDoneEvent,
    ResponseUsage,
)
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails

from .citations import Marker, MarkerScanner
from .courtesy import Courtesy, courtesy


class Passages(Protocol):
    """Passages as they were written for a model; iterable, best first."""

    covered: bool
    """Whether the search judges that they answer the question."""

    def __iter__(self) -> Iterator[dict[str, Any]]: ...
    def __len__(self) -> int: ...


ReadPassages = Callable[[str], Passages]

_COURTESIES: dict[Courtesy, str] = {
    "greeting": "Hello! Ask a question, and I show you what the docs say about it.",
    "thanks": "You're welcome!",
    "who": "I look up your questions in the docs, quote what they say and link to it.",
}
_QUOTED = 3
_LONGEST_QUOTE = 900
_DELTA = 24


class QuotingModel(Model):
    """A model for the Agents SDK that needs no provider, no key and no network.

    It takes passages from the question or from `search_docs`, calling the tool where there are
    none yet, and streams like any other model.
    """

    def __init__(self, read_passages: ReadPassages) -> None:
        self._read_passages = read_passages

    async def stream_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],  # noqa: A002
        model_settings: ModelSettings,
        tools: list[Any],
        output_schema: Any,
        handoffs: list[Any],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None = None,
        conversation_id: str | None = None,
        prompt: Any = None,
    ) -> AsyncIterator[ResponseStreamEvent]:
        items = [{"role": "user", "content": input}] if isinstance(input, str) else input
        question, passages = self._find(items)
        if (kind := courtesy(question)) is not None:
            for event in _message(_COURTESIES[kind]):
                yield event
            return
        if passages is None and any(tool.name == "search_docs" for tool in tools):
            yield _completed([_call("search_docs", {"query": question})], number=0)
            return
        for event in _message(_answer(passages)):
            yield event

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        async for event in self.stream_response(*args, **kwargs):
            if isinstance(event, ResponseCompletedEvent):
                return ModelResponse(
                    output=event.response.output, usage=Usage(requests=1), response_id=None
                )
        raise AssertionError("the stream always completes")

    def _find(self, items: Sequence[Any]) -> tuple[str, Passages | None]:
        """The last question, and the passages that came with it or after it."""
        passages: Passages | None = None
        for item in reversed(items):
            if item.get("type") == "function_call_output" and passages is None:
                passages = self._read_passages(str(item.get("output")))
            if item.get("role") == "user":
                content = item.get("content")
                texts = (
                    [content]
                    if isinstance(content, str)
                    else [part.get("text", "") for part in content or []]
                )
                if passages is None:
                    # Not in the first part, which is what the user wrote.
                    found = [text for text in texts[1:] if "<passages>" in text]
                    passages = self._read_passages(found[-1]) if found else None
                return texts[0] if texts else "", passages
        return "", passages


def _answer(passages: Passages | None) -> str:
    if not passages:
        return "The docs don't seem to cover this: the search found nothing for these words."
    if not passages.covered:
        nearest = list({p.get("title"): p for p in passages}.values())[:_QUOTED]
        lines = "\n".join(f"- {_name(passage)} [{passage['n']}]" for passage in nearest)
        return f"The docs don't seem to cover this. The nearest pages are:\n\n{lines}"

    best = max(float(passage.get("coverage", 1.0)) for passage in passages)
    # Best first, and no passage that is far off beside one that fits.
    quoted = [p for p in passages if float(p.get("coverage", 1.0)) >= 0.6 * best][:_QUOTED]
    blocks = [
        f"**{_name(passage)}** [{passage['n']}]\n\n{_quote(str(passage.get('text', '')))}"
        for passage in quoted
    ]
    return "This is what the docs say:\n\n" + "\n\n".join(blocks)


def _name(passage: dict[str, Any]) -> str:
    parts = [str(passage.get("title") or ""), str(passage.get("section") or "")]
    return _literal(" › ".join(part for part in parts if part) or str(passage.get("url")))


def _literal(text: str) -> str:
    return re.sub(r"([*_`\[\]<>\\])", r"\\\1", text)


def _quote(text: str) -> str:
    """The passage as a block quote: short, relative links unlinked, nothing read as a marker."""
    text = re.sub(r"!?\[([^\]\n]*)\]\((?!https?://)[^)\n]*\)", r"\1", text.strip())
    scanner = MarkerScanner()
    pieces = [*scanner.feed(text), *scanner.finish()]
    text = "".join(
        piece.raw.replace("[", "\\[", 1) if isinstance(piece, Marker) else piece for piece in pieces
    )
    kept: list[str] = []
    length = 0
    for block in _blocks(text):
        if kept and length + len(block) > _LONGEST_QUOTE:
            kept.append("…")
            break
        kept.append(block)
        length += len(block)
    return "\n".join(f"> {line}".rstrip() for line in "\n\n".join(kept).splitlines())


def _blocks(text: str) -> list[str]:
    """Paragraphs, code blocks whole."""
    blocks: list[str] = []
    fence = ""
    for block in re.split(r"\n{2,}", text):
        if fence:
            blocks[-1] += f"\n\n{block}"
        else:
            blocks.append(block)
        for sign in re.findall(r"^ {0,3}(`{3,}|~{3,})", block, re.MULTILINE):
            if not fence:
                fence = sign
            elif sign.startswith(fence):
                fence = ""
    return blocks


def _message(text: str) -> list[ResponseStreamEvent]:
    """The events of one streamed message, in the order that the Agents SDK needs."""
    item_id = f"msg_{uuid.uuid4().hex}"
    part = ResponseOutputText(type="output_text", text="", annotations=[])
    message = ResponseOutputMessage(
        id=item_id, type="message", role="assistant", status="in_progress", content=[]
    )
    whole = part.model_copy(update={"text": text})
    done = message.model_copy(update={"status": "completed", "content": [whole]})
    place = {"item_id": item_id, "output_index": 0, "content_index": 0}
    events: list[Any] = [
        ResponseOutputItemAddedEvent(
            type="response.output_item.added", item=message, output_index=0, sequence_number=0
        ),
        ResponseContentPartAddedEvent(
            type="response.content_part.added", part=part, sequence_number=1, **place
        ),
    ]
    # Cut at words, as a model would.
    for delta in re.findall(rf"(?s).{{1,{_DELTA}}}(?=\s|$)|.{{1,{_DELTA}}}", text):
        events.append(
            ResponseTextDeltaEvent(
                type="response.output_text.delta",
                delta=delta,
                logprobs=[],
                sequence_number=len(events),
                **place,
            )
        )
    number = len(events)
    return [
        *events,
        ResponseTextDoneEvent(
            type="response.output_text.done",
            text=text,
            logprobs=[],
            sequence_number=number,
            **place,
        ),
        ResponseOutputItemDoneEvent(
            type="response.output_item.done", item=done, output_index=0, sequence_number=number + 1
        ),
        _completed([done], number=number + 2),
    ]


def _call(name: str, arguments: dict[str, Any]) -> ResponseFunctionToolCall:
    return ResponseFunctionToolCall(
        id=f"fc_{uuid.uuid4().hex}",
        call_id=f"call_{uuid.uuid4().hex}",
        type="function_call",
        name=name,
        arguments=json.dumps(arguments),
    )


def _completed(output: list[Any], *, number: int) -> ResponseCompletedEvent:
    return ResponseCompletedEvent(
        type="response.completed",
        sequence_number=number,
        response=Response(
            id=f"resp_{uuid.uuid4().hex}",
            created_at=time.time(),
            model="quoting",
            object="response",
            output=output,
            parallel_tool_calls=False,
            tool_choice="auto",
            tools=[],
            usage=ResponseUsage(
                input_tokens=0,
                output_tokens=0,
                total_tokens=0,
                input_tokens_details=InputTokensDetails(cached_tokens=0, cache_write_tokens=0),
                output_tokens_details=OutputTokensDetails(reasoning_tokens=0),
            ),
        ),
    )
