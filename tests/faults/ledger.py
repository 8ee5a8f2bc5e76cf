"""Compares what readers saw with what the database keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from chatkit_server.identity import anonymous_user
from tests.faults.tables import StoredItem, held_threads, orphans, stored_items
from tests.faults.visitor import Asked, answer_text


@dataclass
class Ledger:
    """What was found wrong, in words; nothing where nothing was lost."""

    asked: Sequence[Asked]
    faults: Sequence[float] = ()
    """When the process that held the turns died."""
    lost: list[str] = field(default_factory=list)
    partials: int = 0
    """Answers that are stored without their end."""
    oldest: float = 0.0
    """Seconds between the fault and the first piece that a reader saw and that is not kept."""

    async def check(self, dsn: str) -> None:
        items = await stored_items(dsn)
        self.lost += [f"orphan: {orphan}" for orphan in await orphans(dsn)]
        self.lost += [f"still held: {thread}" for thread in await held_threads(dsn)]
        self._check_done({item.id: item for item in items})
        by_tag = self._check_order(items)
        for asked in self.asked:
            self._check_answer(asked, by_tag.get(asked.tag, []))

    def _check_done(self, stored: dict[str, StoredItem]) -> None:
        seen = Counter(item["id"] for asked in self.asked for item in asked.done)
        self.lost += [f"an id twice: {item_id}" for item_id, times in seen.items() if times > 1]
        for asked in self.asked:
            user = anonymous_user(asked.user)
            for item in asked.done:
                found = stored.get(item["id"])
                if found is None or found.data is None:
                    self.lost.append(f"{asked.tag}: done and not stored: {_short(item)}")
                elif found.thread_id != asked.thread_id or found.user_id != user:
                    self.lost.append(f"{asked.tag}: stored elsewhere: {_short(item)}")
                elif found.data["content"] != item["content"]:
                    self.lost.append(
                        f"{asked.tag}: done as {_short(item)}, stored as {found.text[-60:]!r}"
                    )

    def _check_order(self, items: Iterable[StoredItem]) -> dict[str, list[StoredItem]]:
        """The stored answers to each question; in each thread they stand behind it."""
        answers: dict[str, list[StoredItem]] = {}
        place: dict[str, tuple[int, int]] = {}
        latest: dict[str, str] = {}
        for item in items:
            if item.kind == "user_message":
                tag = item.text.split()[-1]
                if tag in answers:
                    self.lost.append(f"{tag}: the question is stored twice")
                answers[tag] = []
                latest[item.thread_id] = tag
                number = (int(tag.split("-")[1]), int(tag.split("-")[2]))
                if place.get(item.thread_id, (-1, -1)) >= number:
                    self.lost.append(f"{tag}: stands behind a later question")
                place[item.thread_id] = number
            elif item.kind == "assistant_message":
                if item.thread_id not in latest:
                    self.lost.append(f"an answer without a question: {item.text[:60]!r}")
                elif not item.text.startswith(f"{latest[item.thread_id]}."):
                    self.lost.append(f"{item.text[:20]!r} stands under {latest[item.thread_id]}")
                else:
                    answers[latest[item.thread_id]].append(item)
        return answers

    def _check_answer(self, asked: Asked, stored: Sequence[StoredItem]) -> None:
        whole = answer_text(asked.tag)
        if len(stored) > 1:
            self.lost.append(f"{asked.tag}: {len(stored)} answers")
        kept = stored[0].text if stored else ""
        if not whole.startswith(kept):
            self.lost.append(f"{asked.tag}: kept {kept[-60:]!r}, which was never sent")
        if not (kept.startswith(asked.text) or asked.text.startswith(kept)):
            self.lost.append(f"{asked.tag}: kept {kept[-60:]!r} but sent {asked.text[-60:]!r}")
        self.partials += bool(kept) and kept != whole
        if len(kept) < len(asked.text):
            self.oldest = max(self.oldest, self._age(asked, len(kept)))

    def _age(self, asked: Asked, kept: int) -> float:
        """How long the reader had had the first piece that is not kept."""
        length = 0
        for at, delta in asked.deltas:
            length += len(delta)
            if length > kept:
                # The one that cut it off, and not the next: what had been sent is read after it.
                during = [f for f in self.faults if asked.sent_at <= f <= asked.ended_at]
                return max(0.0, max(during, default=asked.ended_at) - at)
        return 0.0


def _short(item: dict[str, Any]) -> str:
    text = "".join(part["text"] for part in item.get("content", []))
    return f"{item['type']} {item['id']} {text[-60:]!r}"
