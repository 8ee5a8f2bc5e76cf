"""Records the scenes as JSON, for the tests of `web/core`.

`python -m tests.contract.transcripts.record` writes all of them anew. What the SDK streams is kept
byte by byte, and beside it the thread as it was stored.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from chatkit.actions import Action
from chatkit.server import ChatKitServer, NonStreamingResult, StreamingResult
from chatkit.types import (
    ThreadItem,
    ThreadMetadata,
    UserMessageItem,
    WidgetItem,
)

from tests.contract.transcripts.scenes import SCENES, about
from tests.contract.transcripts.stage import Act, Events, Stage
from tests.stores.patterns import SampleStore

FOLDER = Path(__file__).parents[3] / "web" / "core" / "test" / "transcripts"
TIME = "2026-01-01T00:00:00Z"


class CountingStore(SampleStore):
    """Keeps each item once, and counts where others draw ids by lot."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: Counter[str] = Counter()

    def generate_thread_id(self, context: Any) -> str:
        return "thr_1"

    def generate_item_id(self, item_type: Any, thread: ThreadMetadata, context: Any) -> str:
        prefix = {"message": "msg", "tool_call": "tc", "workflow": "wf"}.get(item_type, item_type)
        self._counts[prefix] += 1
        return f"{prefix}_{self._counts[prefix]}"

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: Any) -> None:
        # The SDK adds a workflow again when a second turn has gone on with it.
        if any(stored.id == item.id for stored in self.items[thread_id]):
            await self.save_item(thread_id, item, context)
        else:
            await super().add_thread_item(thread_id, item, context)


class Theatre(ChatKitServer[None]):
    """Gives each request the answer of its act."""

    def __init__(self) -> None:
        super().__init__(CountingStore())
        self.left = asyncio.Event()
        self._act: Act | None = None

    async def play(self, act: Act) -> list[str]:
        """The frames of the answer, as far as its reader stays."""
        self._act = act
        result = await self.process(json.dumps(act.request), None)
        assert isinstance(result, StreamingResult)
        frames: list[str] = []

        async def read() -> None:
            async for frame in result:
                # One by one: what came before the reader leaves counts.
                frames.append(frame.decode())  # noqa: PERF401

        reading = asyncio.create_task(read())
        leaving = asyncio.create_task(self.left.wait())
        await asyncio.wait({reading, leaving}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if reading.done():
            reading.result()
        else:
            reading.cancel()
            await asyncio.wait({reading})
        return frames

    async def stored(self) -> dict[str, Any]:
        result = await self.process(json.dumps(about("threads.get_by_id")), None)
        assert isinstance(result, NonStreamingResult)
        thread: dict[str, Any] = json.loads(result.json)
        assert not thread["items"]["has_more"]
        return thread

    def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: None
    ) -> Events:
        return self._answer(thread, None)

    def action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: None,
    ) -> Events:
        return self._answer(thread, sender)

    def _answer(self, thread: ThreadMetadata, sender: WidgetItem | None) -> Events:
        assert self._act
        return self._act.answer(Stage(thread, sender, self.store, self.left))


async def record(acts: list[Act]) -> dict[str, Any]:
    theatre = Theatre()
    turns = [{"request": act.request, "frames": await theatre.play(act)} for act in acts]
    transcript = {"turns": turns, "thread": await theatre.stored()}
    constant: dict[str, Any] = json.loads(with_constants(json.dumps(transcript)))
    return constant


def with_constants(text: str) -> str:
    """The same without times, and with numbers for the ids of the scripted model."""
    text = re.sub(r'(created_at\\?": ?\\?")[^"\\]+', rf"\g<1>{TIME}", text)
    text = re.sub(r'(duration\\?": ?)\d+', r"\g<1>0", text)
    numbers: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        return f"{found[1]}_wire{numbers.setdefault(found[0], len(numbers) + 1)}"

    return re.sub(r"\b(msg|fc|call)_[0-9a-f]{32}\b", numbered, text)


def path_of(name: str) -> Path:
    return FOLDER / f"{name}.json"


async def record_all() -> None:
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.json"):
        path.unlink()
    for name, acts in SCENES.items():
        transcript = json.dumps(await record(acts), ensure_ascii=False, indent=2)
        path_of(name).write_text(f"{transcript}\n", "utf-8")


if __name__ == "__main__":
    asyncio.run(record_all())
