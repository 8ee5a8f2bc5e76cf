"""What a recorded turn is made of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chatkit.store import Store
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageItem,
    ThreadItemDoneEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    WidgetItem,
)

Events = AsyncIterator[ThreadStreamEvent]


@dataclass(frozen=True, slots=True)
class Stage:
    """What an answer is made from."""

    thread: ThreadMetadata
    sender: WidgetItem | None
    store: Store[None]
    left: asyncio.Event
    """Set when the answer has come so far that its reader is to leave."""

    def base(self, kind: Any = "message") -> dict[str, Any]:
        item_id = self.store.generate_item_id(kind, self.thread, None)
        return {"id": item_id, "thread_id": self.thread.id, "created_at": datetime.now(UTC)}

    def said(self, text: str) -> ThreadItemDoneEvent:
        content = [AssistantMessageContent(text=text)]
        return ThreadItemDoneEvent(item=AssistantMessageItem(**self.base(), content=content))


@dataclass(frozen=True, slots=True)
class Act:
    """One request and its answer."""

    request: dict[str, Any]
    answer: Callable[[Stage], Events]
