"""One turn: a user's message and the answer to it, apart from the connection that carries it."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from chatkit.errors import CustomStreamError
from chatkit.types import ThreadItem, ThreadMetadata, UserMessageItem

from .inquiry import Inquiry
from .record import Record
from .sources import Hit, Sources

if TYPE_CHECKING:
    from agents.result import RunResultStreaming

    from .response import Feed
    from .trail import Trail

logger = logging.getLogger("chatkit_server.turn")

T = TypeVar("T")
Outcome = Literal["completed", "stopped", "interrupted", "failed", "refused"]
Reason = Literal["left", "stopped", "deleted", "lost", "shutdown"]
"""Why a turn is stopped from outside: its reader left, somebody pressed Stop, its thread was
deleted, a later turn took the thread, the server shuts down."""


class Turn:
    """State of one running turn, and the way to stop it from outside.

    `hang_up` is synchronous and may be called at any time, from any task of the loop: it cancels
    the agent's run, whose stream then ends by itself, so that what was sent is kept in a task that
    nobody cancels.
    """

    def __init__(self, kind: str) -> None:
        self.id = f"turn_{secrets.token_hex(16)}"
        self.kind = kind
        self.asked: str | None = None
        """The thread that it is to have; `thread_id` once it has it."""
        self.thread_id: str | None = None
        self.items: list[ThreadItem] | None = None
        """The thread's newest items, oldest first, where the first round trip brought them."""
        self.sources = Sources()
        self.user_id: str | None = None
        self.message: UserMessageItem | None = None
        """What the user said in this turn."""
        self.retry: str | None = None
        """The message that this turn answers anew."""
        self.reason: Reason | None = None
        self.timed_out = False
        self.quotes: str | None = None
        """Set where this turn only quotes the docs: what the reader is told."""
        self.by_model = False
        """Whether a model has written the answer, to its end."""
        self.answered_by: str | None = None
        """The model that was asked for the answer, or `quotes`; the last one where it failed."""
        self.usage: dict[str, tuple[int, int]] = {}
        """Tokens that were read and written, by model."""
        self.cost: float | None = None
        """What they cost, where that is known."""
        self.record = Record()
        self.partial: list[ThreadItem] = []
        """What is there of answers that were stopped."""
        self.thread: ThreadMetadata | None = None
        self.title: str | None = None
        """What the thread is called after an answer, where nobody has named it."""
        self.feed: Feed | None = None
        self.save: Callable[[], Awaitable[None]] | None = None
        """Stores what there is; set while the turn has its thread."""
        self.trail: Trail | None = None
        """Keeps what is sent, in case that the process is killed."""
        self.followed = False
        """Whether somebody reads it on another replica."""
        self.away = False
        """Whether the turn began without the database."""
        self.kept = False
        """Whether what it adds goes to the journal."""
        self.created: ThreadMetadata | None = None
        """The thread that it makes, where the database does not know of that yet."""
        self.notice: str | None = None
        """What the reader is told of it."""
        self.changes: dict[str, Any] = {}
        """Fields of the thread that the turn has changed."""
        self.finished = False
        """Whether the lease is given back and everything is stored."""
        self.spoilt = False
        """Whether some of its items could not be stored, or none."""
        self.search: asyncio.Task[Sequence[Hit]] | None = None
        self.searched = ""
        """What `search` looks for."""
        self.inquiry: Inquiry | None = None
        """What it looks for in the docs; None for what asks nothing of them."""
        self.result: RunResultStreaming | None = None
        """The agent's run, while it goes on."""
        self._waiting: asyncio.Task[Any] | None = None
        """Waits for the next event of the turn."""
        self._interrupted = False
        self.outcome: Outcome = "completed"
        self.done = asyncio.Event()
        self._started = time.perf_counter()
        self._marks: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    @property
    def hung_up(self) -> bool:
        """Whether the turn was stopped from outside."""
        return self.reason is not None

    def hang_up(self, reason: Reason) -> None:
        """Stop the turn."""
        self.reason = self.reason or reason
        self._cancel()

    def time_out(self) -> None:
        """Stop the turn because it takes too long; the reader is told so."""
        self.timed_out = True
        self._cancel()

    def _cancel(self) -> None:
        if self.search is not None:
            self.search.cancel()
        if self.result is not None:
            self.result.cancel()
        elif self._waiting is not None and not self._interrupted:
            self._interrupted = True
            self._waiting.cancel()

    async def steps(self, events: AsyncIterator[T]) -> AsyncIterator[T]:
        """The events, until the turn is stopped.

        What has no agent's run that could be cancelled, an action for example, is interrupted where
        it waits.
        """
        while True:
            try:
                event = await self.interruptible(partial(anext, events))
            except StopAsyncIteration:
                return
            if self.result is None:
                self.check()
            # A run of the agent ends by itself when it is cancelled, and leaves nothing behind.
            yield event

    async def interruptible(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do a piece of work, until the turn is stopped."""
        if self.result is None:
            # A stop that came before found nothing that waits: an item was being stored, say.
            self.check()
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._waiting = task
        try:
            return await work()
        except asyncio.CancelledError as error:
            if self._interrupted:
                task.uncancel()
                if not self.hung_up:
                    self.check()
            elif not self.hung_up and not task.cancelling():
                # Of something that the work has waited for, and no end of the turn.
                raise RuntimeError("the work was cancelled from within") from error
            raise
        finally:
            self._waiting = None

    def drop_search(self) -> None:
        """Cancel a search that nobody waits for any more, failed or not."""
        if self.search is not None:
            self.search.cancel()
            self.search.add_done_callback(lambda task: task.cancelled() or task.exception())

    def check(self) -> None:
        """Raise where the turn was stopped while there was no run to cancel.

        Raises:
            CancelledError: from outside.
            CustomStreamError: because it takes too long.
        """
        if self.hung_up:
            raise asyncio.CancelledError
        if self.timed_out:
            raise CustomStreamError("This took too long.", allow_retry=True) from None

    def mark(self, name: str) -> None:
        """Note the time of something that happens for the first time, in ms after the start."""
        self._marks.setdefault(name, round((time.perf_counter() - self._started) * 1000, 1))

    def count(self, name: str, amount: int = 1) -> None:
        self._counts[name] = self._counts.get(name, 0) + amount

    @property
    def summary(self) -> dict[str, str | int | None]:
        """What a trace says of it."""
        return {
            "thread_id": self.thread_id,
            "outcome": self.outcome,
            "model": self.answered_by,
            "passages": len(self.sources),
            **self._counts,
        }

    def at(self, name: str) -> float | None:
        """When that happened, in seconds after the start."""
        return self._marks[name] / 1000 if name in self._marks else None

    def counted(self, name: str) -> int:
        return self._counts.get(name, 0)

    def use(self, model: str, input_tokens: int, output_tokens: int) -> None:
        """A model has read and written tokens for this turn."""
        asked, written = self.usage.get(model, (0, 0))
        self.usage[model] = asked + input_tokens, written + output_tokens
        self.count("input_tokens", input_tokens)
        self.count("output_tokens", output_tokens)

    def gap(self, items: Sequence[ThreadItem]) -> dict[str, Any] | None:
        """What the site's owner is to know of a question that the docs did not answer."""
        if self.inquiry is None:
            return None
        return self.inquiry.gap(items, finished=self.by_model and self.outcome == "completed")

    def log(self, *, question: bool = False) -> None:
        """Write the turn's one line: outcome, times in ms, counts.

        Args:
            question: Whether it has what the reader asked; nothing that a user wrote otherwise.
        """
        self.mark("end")
        line: dict[str, Any] = {
            "event": "turn",
            "request": self.kind,
            "turn_id": self.id,
            "thread_id": self.thread_id,
            "outcome": self.outcome,
            "model": self.answered_by,
            "ms": self._marks,
            **self._counts,
            "passages": len(self.sources),
        }
        if self.cost is not None:
            line["cost"] = round(self.cost, 6)
        if self.inquiry is not None:
            line |= {
                "query": self.inquiry.wording,
                "covered": self.inquiry.covered,
                "confidence": self.inquiry.confidence,
            }
            if question:
                line |= {"question": self.inquiry.question, "searched": self.inquiry.query}
        logger.info("%s", json.dumps(line), extra={"fields": line})
