"""What goes along with a run of the agent: its view of the store, its hooks."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from agents import (
    Agent,
    ModelResponse,
    RawResponsesStreamEvent,
    RunContextWrapper,
    RunHooks,
    StreamEvent,
    Tool,
    TResponseInputItem,
)
from agents.models.interface import Model
from agents.result import RunResultStreaming
from chatkit.store import Store
from chatkit.types import (
    AssistantMessageItem,
    Page,
    ProgressUpdateEvent,
    ThreadItem,
    ThreadItemDoneEvent,
    ThreadStreamEvent,
)
from openai.types.responses import (
    ResponseContentPartAddedEvent,
    ResponseOutputItemDoneEvent,
    ResponseOutputMessage,
)

from .context import RequestContext
from .lease import HISTORY
from .meter import Meter
from .observer import Ending
from .record import answers, text_of
from .thoughts import is_empty_thinking
from .tracing import begin, end, note
from .turn import Turn


class TurnMemory:
    """The store as the agent sees it: the SDK asks again for items that the turn has read."""

    def __init__(
        self, store: Store[RequestContext], items: Sequence[ThreadItem], turn: Turn
    ) -> None:
        self._store = store
        self._items = items
        self._turn = turn

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: RequestContext
    ) -> Page[ThreadItem]:
        complete = len(self._items) < HISTORY
        if after is None and order == "desc" and (complete or limit <= len(self._items)):
            newest = list(self._items[: -limit - 1 : -1])
            more = not complete or limit < len(self._items)
            return Page(data=newest, has_more=more, after=newest[-1].id if more else None)
        return await self._store.load_thread_items(thread_id, after, limit, order, context)

    async def add_thread_item(
        self, thread_id: str, item: ThreadItem, context: RequestContext
    ) -> None:
        if not is_empty_thinking(item):
            self._turn.record.add(item)


class Run:
    """An agent's run as the SDK reads it, without the words of a refusal.

    The SDK takes them for an answer, or does not, as it happens: the run ends in an error then.
    """

    def __init__(self, result: RunResultStreaming) -> None:
        self._result = result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._result, name)

    async def stream_events(self) -> AsyncIterator[StreamEvent]:
        async for event in self._result.stream_events():
            if not _is_refusal(event):
                yield event


def _is_refusal(event: StreamEvent) -> bool:
    match event:
        case RawResponsesStreamEvent(data=ResponseContentPartAddedEvent(part=part)):
            return part.type == "refusal"
        case RawResponsesStreamEvent(
            data=ResponseOutputItemDoneEvent(item=ResponseOutputMessage(content=content))
        ):
            return any(part.type == "refusal" for part in content)
    return False


def name_of(model: str | Model | None) -> str:
    """What a model is called in the log and in metrics."""
    return str(getattr(model, "model", model if isinstance(model, str) else type(model).__name__))


class Watch(RunHooks[Any]):
    """Counts and times model calls, and tells the reader which tool is at work.

    Args:
        turn: That the run is for.
        meter: Counts tokens.
        ended: Is told of each call of the model that ends: its seconds, and how. None for what
            only quotes, which is no call of a model.
        model: What the model is called.
    """

    def __init__(
        self, turn: Turn, meter: Meter, ended: Callable[[float, Ending], None] | None, model: str
    ) -> None:
        self._turn = turn
        self._meter = meter
        self._told = ended
        self._model = model
        self._called_at: float | None = None
        self._span: Any = None

    def cut(self, ending: Ending) -> None:
        """The run is over; a call that still goes on ended with it."""
        if self._called_at is not None and self._told is not None:
            self._told(time.perf_counter() - self._called_at, ending)
            end(self._span, failed=ending == "failed")
            self._called_at = None

    async def on_llm_start(
        self,
        context: RunContextWrapper[Any],
        agent: Agent[Any],
        system_prompt: str | None,
        input_items: list[TResponseInputItem],
    ) -> None:
        self._turn.count("model_calls")
        if self._told is not None:
            self._called_at = time.perf_counter()
            self._span = begin("model", {"model": self._model})
        self._meter.begin(system_prompt, input_items)

    async def on_llm_end(
        self, context: RunContextWrapper[Any], agent: Agent[Any], response: ModelResponse
    ) -> None:
        self._meter.end(response)
        note(
            self._span,
            input_tokens=response.usage.input_tokens,
            output_tokens=response.usage.output_tokens,
        )
        self.cut("ok")

    async def on_tool_start(
        self, context: RunContextWrapper[Any], agent: Agent[Any], tool: Tool
    ) -> None:
        self._turn.count("tool_calls")
        if self._turn.inquiry is not None:
            self._turn.inquiry.note_call(tool.name, getattr(context, "tool_arguments", ""))
        if tool.name == "search_docs":
            self._turn.count("searches")
            event = ProgressUpdateEvent(icon="search", text="Searching the docs")
        else:
            event = ProgressUpdateEvent(text=f"Using {tool.name.replace('_', ' ')}")
        await context.context.stream(event)


def says_something(event: ThreadStreamEvent) -> bool:
    """Whether the reader has got an answer that stays: a text, a widget, a call of a tool.

    Thoughts and steps of work are none.
    """
    if not isinstance(event, ThreadItemDoneEvent):
        return False
    if isinstance(event.item, AssistantMessageItem):
        return bool(text_of(event.item).strip())
    return answers(event.item)
