"""What goes along with a run of the agent: its view of the store, its hooks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
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
from .record import text_of
from .thoughts import is_empty_thinking
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


class Watch(RunHooks[Any]):
    """Counts model calls and tells the reader which tool is at work."""

    def __init__(self, turn: Turn, meter: Meter) -> None:
        self._turn = turn
        self._meter = meter

    async def on_llm_start(
        self,
        context: RunContextWrapper[Any],
        agent: Agent[Any],
        system_prompt: str | None,
        input_items: list[TResponseInputItem],
    ) -> None:
        self._turn.count("model_calls")
        self._meter.begin(system_prompt, input_items)

    async def on_llm_end(
        self, context: RunContextWrapper[Any], agent: Agent[Any], response: ModelResponse
    ) -> None:
        self._meter.end(response)

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
    """Whether the reader has got something that stays: a text, a widget, a call of a tool."""
    if not isinstance(event, ThreadItemDoneEvent):
        return False
    answer = isinstance(event.item, AssistantMessageItem)
    return bool(text_of(event.item).strip()) if answer else True
