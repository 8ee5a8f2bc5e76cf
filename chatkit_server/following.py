"""Tells a turn that runs on another replica, from one checkpoint to the next."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from chatkit.types import (
    AssistantMessageContentPartAdded,
    AssistantMessageContentPartAnnotationAdded,
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    ErrorEvent,
    HiddenContextItem,
    SDKHiddenContextItem,
    ThreadItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemReplacedEvent,
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
)

from .lease import TurnView


async def tell(
    first: TurnView, views: AsyncIterator[TurnView]
) -> AsyncIterator[ThreadStreamEvent | None]:
    """The events that bring a reader from view to view, until the turn of the first one ends.

    None after each look that has told nothing. Answers are said to be done at the end: a checkpoint
    does not tell whole ones from partial ones.
    """
    for item_id in first.replaced:
        yield ThreadItemRemovedEvent(item_id=item_id)
    told: dict[str, ThreadItem] = {}
    view = first
    while True:
        items: dict[str, ThreadItem] = {
            item.id: item
            for item in view.items
            if not isinstance(item, HiddenContextItem | SDKHiddenContextItem)
        }
        for item_id in told.keys() - items.keys():
            yield ThreadItemRemovedEvent(item_id=item_id)
        for item in items.values():
            for event in _difference(told.get(item.id), item):
                yield event
        if items == told:
            yield None
        told = items
        # Where another turn has begun since the last look, this is how the first one ended.
        if view.state != "running" or view.turn_id != first.turn_id:
            break
        view = await anext(views)
    for item in told.values():
        if isinstance(item, AssistantMessageItem):
            yield ThreadItemDoneEvent(item=item)
    if view.state == "interrupted" and view.turn_id == first.turn_id:
        yield ErrorEvent(code="custom", message="This answer was cut off.", allow_retry=True)


def _difference(old: ThreadItem | None, new: ThreadItem) -> Iterator[ThreadStreamEvent]:
    if old == new:
        return
    if not isinstance(new, AssistantMessageItem):
        yield ThreadItemDoneEvent(item=new) if old is None else ThreadItemReplacedEvent(item=new)
    elif old is None:
        yield ThreadItemAddedEvent(item=new)
    elif not isinstance(old, AssistantMessageItem) or not _continues(old, new):
        yield ThreadItemReplacedEvent(item=new)
    else:
        for index, part in enumerate(new.content):
            if index >= len(old.content):
                yield ThreadItemUpdatedEvent(
                    item_id=new.id,
                    update=AssistantMessageContentPartAdded(content_index=index, content=part),
                )
                continue
            known = old.content[index]
            if part.text != known.text:
                yield ThreadItemUpdatedEvent(
                    item_id=new.id,
                    update=AssistantMessageContentPartTextDelta(
                        content_index=index, delta=part.text[len(known.text) :]
                    ),
                )
            for number in range(len(known.annotations), len(part.annotations)):
                yield ThreadItemUpdatedEvent(
                    item_id=new.id,
                    update=AssistantMessageContentPartAnnotationAdded(
                        content_index=index,
                        annotation_index=number,
                        annotation=part.annotations[number],
                    ),
                )


def _continues(old: AssistantMessageItem, new: AssistantMessageItem) -> bool:
    return len(old.content) <= len(new.content) and all(
        after.text.startswith(before.text)
        and after.annotations[: len(before.annotations)] == before.annotations
        for before, after in zip(old.content, new.content, strict=False)
    )
