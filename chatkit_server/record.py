"""What a turn adds to its thread, as the reader has it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

from chatkit.types import (
    AssistantMessageItem,
    EndOfTurnItem,
    HiddenContextItem,
    SDKHiddenContextItem,
    TaskItem,
    ThreadItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemReplacedEvent,
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
    UserMessageContent,
    UserMessageItem,
    WidgetItem,
    WorkflowItem,
)

_NO_ANSWERS = (HiddenContextItem, SDKHiddenContextItem, WorkflowItem, TaskItem, EndOfTurnItem)
Apply = Callable[[dict[str, ThreadItem], ThreadItemUpdatedEvent], None]
"""Brings an update into the item that it is about."""


def text_of(item: ThreadItem | None) -> str:
    """The words of a message; empty for anything else."""
    match item:
        case UserMessageItem():
            return words_of(item.content)
        case AssistantMessageItem():
            return "".join(part.text for part in item.content)
        case _:
            return ""


def words_of(content: Iterable[UserMessageContent]) -> str:
    """What a reader has written, with the names of what they have tagged."""
    return "".join(part.text if part.type == "input_text" else f"@{part.text}" for part in content)


def title_of(items: Iterable[ThreadItem]) -> str | None:
    """What a thread is called by itself: its first question, cut at a word."""
    first = next((item for item in items if isinstance(item, UserMessageItem)), None)
    words = text_of(first).split()
    title = ""
    for word in words:
        if len(title) + len(word) > 60:
            return f"{title or word[:60]}…"
        title = f"{title} {word}".strip()
    return title or None


def answers(item: ThreadItem) -> bool:
    """Whether an item is an answer or a part of one, and not a step on the way to it."""
    return not isinstance(item, _NO_ANSWERS)


class Record:
    """Follows the events of one turn, and knows what the store lacks of it.

    Items keep the order in which they first appeared.
    """

    def __init__(self) -> None:
        self.pending: dict[str, ThreadItem] = {}
        """Items that are still being written."""
        self.unsaved: dict[str, ThreadItem] = {}
        """Finished items that the end of the turn stores."""
        self.unsent: dict[tuple[str, int], int] = {}
        """Characters of answers that were written for a reader who had left, by item and part."""
        self.held: str | None = None
        """The item that is whole, but said to be so only once it is stored."""
        self._order: dict[str, None] = {}
        self._own: set[str] = set()
        self._adopted: set[str] = set()
        self._changed: dict[str, None] = {}
        self._stored: set[str] = set()
        self._removed: set[str] = set()

    def note(self, event: ThreadStreamEvent, apply: Apply) -> str | None:
        """Keep what an event means for the store.

        Returns:
            The id of a removed item that was not of this turn.
        """
        match event:
            case ThreadItemAddedEvent(item=item):
                self.pending[item.id] = item.model_copy(deep=True)
                self._order.setdefault(item.id)
                self._own.add(item.id)
            case ThreadItemUpdatedEvent(item_id=item_id):
                apply(self.pending if item_id in self.pending else self.unsaved, event)
                self._changed[item_id] = None
            case ThreadItemDoneEvent(item=item) | ThreadItemReplacedEvent(item=item):
                self.pending.pop(item.id, None)
                self.unsaved[item.id] = item
                self._order.setdefault(item.id)
                self._changed[item.id] = None
                if isinstance(event, ThreadItemDoneEvent):
                    self._own.add(item.id)
            case ThreadItemRemovedEvent(item_id=item_id):
                self._remove(item_id)
                return None if item_id in self._own else item_id
        return None

    def knows(self, item_id: str) -> bool:
        """Whether the item is of this turn, or was adopted by it."""
        return item_id in self.pending or item_id in self.unsaved

    def adopt(self, item: ThreadItem) -> None:
        """Take up an item of an earlier turn, which this one is about to change."""
        self._adopted.add(item.id)
        self.unsaved[item.id] = item
        self._order.setdefault(item.id)

    def _remove(self, item_id: str) -> None:
        self.pending.pop(item_id, None)
        self.unsaved.pop(item_id, None)
        self._order.pop(item_id, None)
        if item_id in self._stored:
            self._removed.add(item_id)

    def add(self, item: ThreadItem) -> None:
        """Add an item that the reader is not told of, or store a pending one as it is."""
        self.pending.pop(item.id, None)
        self.unsaved[item.id] = item
        self._order.setdefault(item.id)
        self._changed[item.id] = None

    # For the store

    def checkpoint(self) -> tuple[list[ThreadItem], list[str]]:
        """What has changed since the last checkpoint, and what was taken back."""
        items = [item for item in self._worth_keeping() if item.id in self._changed]
        self._changed.clear()
        self._stored.update(item.id for item in items)
        return items, sorted(self._removed)

    def not_stored(self, items: list[ThreadItem]) -> None:
        """The checkpoint failed; the next one tries again."""
        self._changed.update((item.id, None) for item in items)

    def close(self) -> list[ThreadItem]:
        """End what is pending: answers and widgets are kept as the reader has got them.

        Returns:
            Those that stay partial.
        """
        partial: list[ThreadItem] = []
        for item_id in list(self.pending):
            item = self.pending[item_id]
            if isinstance(item, AssistantMessageItem):
                self._cut(item)
            if _is_worth_keeping(item):
                self.add(item)
                partial.append(item)
            else:
                self._remove(item_id)
        return partial

    def _cut(self, item: AssistantMessageItem) -> None:
        """Take away what was never sent."""
        for index, part in enumerate(item.content):
            if unsent := self.unsent.get((item.id, index)):
                part.text = part.text[:-unsent]
                part.annotations = [
                    annotation
                    for annotation in part.annotations
                    if (annotation.index or 0) <= len(part.text)
                ]

    def final(self) -> tuple[list[ThreadItem], list[str]]:
        """Everything that the end of the turn stores, and what it takes back."""
        return list(self._worth_keeping()), sorted(self._removed)

    def _worth_keeping(self) -> Iterator[ThreadItem]:
        for item_id in self._order:
            if item_id in self.unsaved:
                yield self.unsaved[item_id]
                continue
            item = self.pending.get(item_id)
            if item is not None and _is_worth_keeping(item):
                yield item

    def answered(self) -> bool:
        """Whether there is anything of an answer."""
        return any(map(answers, self._worth_keeping()))

    # For readers

    def snapshot(self) -> Iterator[ThreadStreamEvent]:
        """The events that bring somebody who has seen nothing yet to where the turn is."""
        for item_id in self._order:
            item = self.unsaved.get(item_id) or self.pending[item_id]
            if isinstance(item, HiddenContextItem | SDKHiddenContextItem):
                continue
            if item_id in self.pending or item_id == self.held:
                yield ThreadItemAddedEvent(item=item)
            elif item_id in self._adopted:
                yield ThreadItemReplacedEvent(item=item)
            else:
                yield ThreadItemDoneEvent(item=item)

    def count_unsent(self, frame: bytes) -> None:
        """Note what a reader who has left did not get of a frame."""
        if b"text_delta" not in frame:
            return
        event = json.loads(frame.removeprefix(b"data: "))
        update = event.get("update") or {}
        if update.get("type") == "assistant_message.content_part.text_delta":
            place = (event["item_id"], update["content_index"])
            self.unsent[place] = self.unsent.get(place, 0) + len(update["delta"])


def _is_worth_keeping(item: ThreadItem) -> bool:
    """Whether an item that is not finished says something already."""
    return isinstance(item, WidgetItem) or bool(
        isinstance(item, AssistantMessageItem) and text_of(item).strip()
    )
