"""Conversations with a server of the SDK's own, each request with what the server answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from chatkit.errors import CustomStreamError
from chatkit.server import stream_widget
from chatkit.types import (
    Annotation,
    AssistantMessageContent,
    AssistantMessageContentPartAdded,
    AssistantMessageContentPartAnnotationAdded,
    AssistantMessageContentPartDone,
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    ClientEffectEvent,
    CustomSummary,
    EndOfTurnItem,
    EntitySource,
    FileSource,
    FileTask,
    HiddenContextItem,
    LockedStatus,
    NoticeEvent,
    ProgressUpdateEvent,
    SearchTask,
    StructuredInputItem,
    TaskItem,
    ThoughtTask,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemReplacedEvent,
    ThreadItemUpdate,
    ThreadItemUpdatedEvent,
    URLSource,
    WidgetComponentUpdated,
    WidgetRootUpdated,
    WidgetStreamingTextValueDelta,
    Workflow,
    WorkflowItem,
    WorkflowTaskAdded,
    WorkflowTaskUpdated,
)
from chatkit.widgets import DynamicWidgetComponent, DynamicWidgetRoot

from tests.contract.transcripts.stage import Act, Events, Stage
from tests.contract.transcripts.wired import call_page, cite, draw, go_on, greet, withdraw
from tests.fixtures.own_server import FORM


def ask(text: str, *, again: bool = False, **more: Any) -> dict[str, Any]:
    said = {"content": [{"type": "input_text", "text": text}], "attachments": []}
    message = {**said, "inference_options": {}, **more}
    if again:
        return about("threads.add_user_message", input=message)
    return {"type": "threads.create", "params": {"input": message}}


def about(kind: str, **params: Any) -> dict[str, Any]:
    return {"type": kind, "params": {"thread_id": "thr_1", **params}}


def update(item_id: str, change: ThreadItemUpdate) -> ThreadItemUpdatedEvent:
    return ThreadItemUpdatedEvent(item_id=item_id, update=change)


async def work(stage: Stage) -> Events:
    tasks = [SearchTask(title_query="pool", status_indicator="loading")]
    item = WorkflowItem(**stage.base("workflow"), workflow=Workflow(type="custom", tasks=[*tasks]))
    yield ThreadItemAddedEvent(item=item)
    found = SearchTask(
        title_query="pool",
        queries=["pool", "pool size"],
        sources=[URLSource(title="Neon", url="/docs/neon")],
        status_indicator="complete",
    )
    yield update(item.id, WorkflowTaskUpdated(task_index=0, task=found))
    files = FileTask(title="Read", sources=[FileSource(title="Pools", filename="pools.md")])
    yield update(item.id, WorkflowTaskAdded(task_index=1, task=files))
    thought = ThoughtTask(content="Ten is enough 🤔")
    yield update(item.id, WorkflowTaskAdded(task_index=2, task=thought))
    workflow = Workflow(
        type="custom",
        tasks=[found, files, thought],
        summary=CustomSummary(title="Read two pages"),
        expanded=True,
    )
    yield ThreadItemDoneEvent(item=item.model_copy(update={"workflow": workflow}))
    yield ThreadItemDoneEvent(item=TaskItem(**stage.base("task"), task=files))
    yield stage.said("Ten.")
    yield ThreadItemDoneEvent(item=EndOfTurnItem(**stage.base()))


def card(text: str, likes: int = 0, **more: Any) -> DynamicWidgetRoot:
    button = {"type": "Button", "id": "like", "label": f"{likes} 👍"}
    children = [
        {"type": "Markdown", "id": "text", "value": text, **more},
        {"type": "Row", "children": [button]},
    ]
    return DynamicWidgetRoot.model_validate({"type": "Card", "id": "card", "children": children})


async def show(stage: Stage) -> Events:
    """A widget whose text grows, another that came whole, and the SDK's own differences."""

    async def states() -> AsyncGenerator[DynamicWidgetRoot, None]:
        for text in ("", "**Po", "**Pools** 🏊", "**Pools** 🏊 help"):
            yield card(text, streaming=True)
        yield card("**Pools** 🏊 help.", streaming=False)
        yield card("**Pools** 🏊 help.", likes=1, streaming=False)

    def generate(kind: Any) -> str:
        return stage.store.generate_item_id(kind, stage.thread, None)

    async for event in stream_widget(stage.thread, states(), "Pools help.", generate):
        yield event
    async for event in stream_widget(stage.thread, card("Whole"), None, generate):
        yield event


async def like(stage: Stage) -> Events:
    """One of each update to a widget that is stored; the server keeps it itself."""
    assert stage.sender
    item = stage.sender.model_copy(update={"widget": card("Whole, liked", 2, streaming=False)})
    delta = WidgetStreamingTextValueDelta(component_id="text", delta=", liked", done=True)
    yield update(item.id, delta)
    button = DynamicWidgetComponent.model_validate(
        {"type": "Button", "id": "like", "label": "2 👍"}
    )
    yield update(item.id, WidgetComponentUpdated(component_id="like", component=button))
    await stage.store.save_item(stage.thread.id, item, None)


async def turn_over(stage: Stage) -> Events:
    assert stage.sender
    item = stage.sender.model_copy(update={"widget": card("Other side", 3)})
    yield update(item.id, WidgetRootUpdated(widget=card("Turning", 3)))
    yield ThreadItemReplacedEvent(item=item)


async def inquire(stage: Stage) -> Events:
    form = StructuredInputItem.model_validate({**stage.base(), "inputs": FORM})
    yield ThreadItemDoneEvent(item=form)


async def thank(stage: Stage) -> Events:
    yield stage.said("Thank you.")


async def fail(stage: Stage) -> Events:
    yield stage.said("Let me see …")
    yield ProgressUpdateEvent(text="Searching", icon="search")
    raise CustomStreamError("The search is down 🔧", allow_retry=True)


async def crash(stage: Stage) -> Events:
    yield stage.said("This will not end well.")
    raise RuntimeError("the answer broke on purpose")


async def announce(stage: Stage) -> Events:
    """All that is shown and not kept, and what is kept and not shown."""
    yield ProgressUpdateEvent(text="Looking 👀", icon="search")
    yield ThreadItemDoneEvent(item=HiddenContextItem(**stage.base(), content={"passages": [1]}))
    yield ClientEffectEvent(name="scroll", data={"to": "#pool"})
    yield stage.said("Pools help.")
    yield NoticeEvent(level="warning", title="Long", message="This chat is **full**. 🧺")
    stage.thread.title = "Pools"
    stage.thread.allowed_image_domains = ["example.com"]
    stage.thread.status = LockedStatus(reason="It is full.")


async def trail_off(stage: Stage) -> Events:
    """A message that its reader leaves; the SDK keeps what it has added up."""
    item = AssistantMessageItem(**stage.base(), content=[])
    yield ThreadItemAddedEvent(item=item)
    empty = AssistantMessageContent(text="")
    yield update(item.id, AssistantMessageContentPartAdded(content_index=0, content=empty))
    for delta in ("Pools 🏊", "🏽 help ", "\n\nmost. "):
        yield update(item.id, AssistantMessageContentPartTextDelta(content_index=0, delta=delta))
    for place, entity in ((0, "pool"), (1, "neon"), (1, "limit")):
        # The third is put between the other two.
        source = EntitySource(id=entity, title=entity, data={"kind": "word"})
        yield update(
            item.id,
            AssistantMessageContentPartAnnotationAdded(
                content_index=0,
                annotation_index=place,
                annotation=Annotation(source=source, index=6),
            ),
        )
    whole = AssistantMessageContent(text="And so on.")
    yield update(item.id, AssistantMessageContentPartTextDelta(content_index=2, delta="And"))
    yield update(item.id, AssistantMessageContentPartDone(content_index=2, content=whole))
    lost = AssistantMessageItem(**stage.base(), content=[])
    yield ThreadItemAddedEvent(item=lost)
    yield ThreadItemRemovedEvent(item_id=lost.id)
    stage.left.set()
    await asyncio.Event().wait()


def form_answers(status: str, item_id: str, **answers: Any) -> dict[str, Any]:
    given = {"status": status, "answers": answers}
    return about("threads.add_structured_input", item_id=item_id, input=given)


def press(kind: str, item_id: str) -> dict[str, Any]:
    action = {"type": kind, "payload": {"by": "Ada"}}
    return about("threads.custom_action", action=action, item_id=item_id)


TAG = {"type": "input_tag", "id": "neon", "text": "Neon 🐘", "data": {"kind": "page"}}

SCENES: dict[str, list[Act]] = {
    "text": [
        Act(ask("How big is the pool? 🏊🏽‍♀️"), greet),
        Act(
            ask(
                "",
                again=True,
                content=[{"type": "input_text", "text": "And in "}, {**TAG, "interactive": False}],
                quoted_text="“pool” 👋🏽",
                inference_options={"tool_choice": {"id": "search"}, "model": "small"},
            ),
            greet,
        ),
    ],
    "citations": [Act(ask("Are pools on?"), cite)],
    "image": [Act(ask("Draw a pool"), draw)],
    "client_tool": [
        Act(ask("Where am I?"), call_page),
        Act(about("threads.add_client_tool_output", result={"page": "/docs/neon"}), go_on),
    ],
    "guardrail": [Act(ask("Say it"), withdraw)],
    "workflow": [Act(ask("Ten?"), work)],
    "widget": [
        Act(ask("Show me"), show),
        Act(press("like", "msg_3"), like),
        Act(press("turn", "msg_2"), turn_over),
    ],
    "form": [
        Act(ask("Help me"), inquire),
        Act(form_answers("answered", "msg_2", version={"values": ["1"]}), thank),
        Act(ask("Once more", again=True), inquire),
        Act(form_answers("skipped", "msg_5"), thank),
    ],
    "retry": [
        Act(ask("Is it up?"), fail),
        Act(about("threads.retry_after_item", item_id="msg_1"), crash),
        Act(about("threads.retry_after_item", item_id="msg_1"), greet),
    ],
    "notices": [Act(ask("Anything else?"), announce)],
    "left": [Act(ask("Tell me all"), trail_off)],
}
