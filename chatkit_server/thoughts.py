"""Keeps a model's thoughts short on the wire: the SDK resends the whole thought with each word."""

from __future__ import annotations

from collections.abc import AsyncIterator

from chatkit.types import (
    ThoughtTask,
    ThreadItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
    WorkflowItem,
    WorkflowTaskUpdated,
)

_GROWTH = 1.25
"""A thought is sent anew once it is so much longer: at most five times its length in all."""


def is_empty_thinking(item: ThreadItem) -> bool:
    """Whether an item says only that the model thinks, as models do that show no thoughts."""
    return (
        isinstance(item, WorkflowItem)
        and item.workflow.type == "reasoning"
        and not item.workflow.tasks
    )


async def in_steps(events: AsyncIterator[ThreadStreamEvent]) -> AsyncIterator[ThreadStreamEvent]:
    """The same events, with fewer updates of thoughts and without thinking that shows none.

    Whatever else comes, the thought is whole before it.
    """
    announced: ThreadItemAddedEvent | None = None
    held: ThreadItemUpdatedEvent | None = None
    sent: dict[tuple[str, int], int] = {}
    async for event in events:
        match event:
            case ThreadItemAddedEvent(item=item) if is_empty_thinking(item):
                # The item itself fills up before it is sent.
                announced = ThreadItemAddedEvent(item=item.model_copy(deep=True))
                continue
            case ThreadItemDoneEvent(item=item) if is_empty_thinking(item):
                announced = None
                continue
            case ThreadItemUpdatedEvent(
                item_id=item_id,
                update=WorkflowTaskUpdated(task_index=index, task=ThoughtTask(content=content)),
            ):
                place = (item_id, index)
                if held is not None and place != (held.item_id, _index(held)):
                    yield held
                if len(content) < sent.get(place, 0) * _GROWTH:
                    held = event
                    continue
                sent[place] = len(content)
                held = None
            case _:
                if held is not None:
                    yield held
                    held = None
        if (
            announced is not None
            and isinstance(event, ThreadItemUpdatedEvent)
            and event.item_id == announced.item.id
        ):
            yield announced
            announced = None
        yield event
    if held is not None:
        yield held


def _index(event: ThreadItemUpdatedEvent) -> int:
    return event.update.task_index if isinstance(event.update, WorkflowTaskUpdated) else -1
