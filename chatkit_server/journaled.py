"""The store as the server sees it: what it can't take while it is away goes to the journal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from chatkit.store import NotFoundError
from chatkit.types import Page, ThreadItem, ThreadMetadata, UserMessageItem

from .context import RequestContext
from .errors import unavailable
from .journal import Entry, Journal, Verdict
from .lease import State, TurnStart, TurnStore
from .turn import Turn

logger = logging.getLogger("chatkit_server")

_SHORTEST_PAUSE, _LONGEST_PAUSE = 1.0, 10.0
_NOTICES = {
    # Whether the thread is new, and whether the journal keeps the turn.
    (True, True): "This chat can't be saved at the moment. It will be in your history later.",
    (True, False): "This chat can't be saved at the moment. Copy what you need of it.",
    (False, True): (
        "The earlier messages of this chat can't be reached at the moment: the answer does not "
        "know them, and will be added to them later."
    ),
    (False, False): (
        "The earlier messages of this chat can't be reached at the moment: the answer does not "
        "know them, and can't be saved. Copy what you need of it."
    ),
}
# What shows a thread or changes it, and has its id as the first argument.
_OF_A_THREAD = {
    "load_thread", "load_thread_items", "load_turn", "stop_turn", "update_thread",
    "add_thread_item", "save_item", "delete_thread", "add_feedback",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Start:
    thread: ThreadMetadata
    items: list[ThreadItem]
    refusal: Literal["busy"] | None = None
    answering: None = None
    before: None = None


class JournaledStore:
    """Answers for a `TurnStore` that can't be reached.

    Messages are taken all the same, and what their turns add is written to the journal; everything
    else fails with ConnectionError. Once any of a turn is in the journal, all that follows goes
    there too, so that it is replayed in order. What has still to be replayed is brought to the
    store before anybody asks for the thread again.

    Args:
        store: Keeps threads, and takes turns late.
        turns: Those that run in this process, by thread.
        judge: Refuses a turn where answering was switched off before the store went away.
        journal: None where there is no folder that lasts; what is said meanwhile is lost then.
    """

    def __init__(
        self,
        store: TurnStore,
        turns: Mapping[str, Turn],
        judge: Callable[[TurnStart, str], object],
        journal: Journal | None,
    ) -> None:
        self._store: Any = store
        self._turns = turns
        self._judge = judge
        self._journal = journal
        self._replays: set[asyncio.Task[None]] = set()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in _OF_A_THREAD:
            return method

        async def settled(thread_id: str, *arguments: Any, **options: Any) -> Any:
            await self._settle(thread_id)
            return await method(thread_id, *arguments, **options)

        return settled

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: RequestContext
    ) -> Page[ThreadMetadata]:
        await self.settle_all()
        threads: Page[ThreadMetadata] = await self._store.load_threads(limit, after, order, context)
        return threads

    async def load_item(self, thread_id: str, item_id: str, context: RequestContext) -> ThreadItem:
        _check_reachable(item_id, context)
        await self._settle(thread_id)
        item: ThreadItem = await self._store.load_item(thread_id, item_id, context)
        return item

    async def delete_thread_item(
        self, thread_id: str, item_id: str, context: RequestContext
    ) -> None:
        _check_reachable(item_id, context)
        await self._settle(thread_id)
        await self._store.delete_thread_item(thread_id, item_id, context)

    # Turns

    async def begin_turn(
        self,
        turn_id: str,
        thread: ThreadMetadata | str,
        message: UserMessageItem | None,
        *,
        retry: str | None,
        interruption: ThreadItem | None,
        history: int,
        lease: float,
        context: RequestContext,
    ) -> TurnStart:
        thread_id = thread if isinstance(thread, str) else thread.id
        turn = context.running_turn
        running = self._turns.get(thread_id)
        if running is not None and running.user_id != context.user_id:
            running = None
        blank = ThreadMetadata(id=thread_id, created_at=datetime.now(UTC))
        if running is not None and running.away:
            return _Start(blank, [], "busy")
        try:
            await self._settle(thread_id)
            start: TurnStart = await self._store.begin_turn(
                turn_id,
                thread,
                message,
                retry=retry,
                interruption=interruption,
                history=history,
                lease=lease,
                context=context,
            )
            return start
        except ConnectionError as error:
            if message is None:
                raise
            if self._journal is None and getattr(error, "is_crowded", False):
                # It is there, and keeps what is asked in a moment; this would be lost.
                raise unavailable("Very many are asking at the moment. Try again.") from error
            logger.warning("the database can't be reached, answering without it: %s", error)
        if running is not None:
            return _Start(blank, [], "busy")
        created = None if isinstance(thread, str) else thread
        alone = _Start(created or blank, [message])
        self._judge(alone, context.user_id)
        turn.away, turn.created = True, created
        # Interrupted, unless its end follows.
        turn.kept = await self._keep(turn, thread_id, context, items=[message], state="interrupted")
        turn.notice = _NOTICES[turn.created is not None, turn.kept]
        return alone

    async def checkpoint_turn(
        self,
        turn_id: str,
        thread_id: str,
        *,
        items: Sequence[ThreadItem],
        removed: Sequence[str],
        replace_after: str | None,
        lease: float,
        context: RequestContext,
    ) -> Literal["running", "followed", "stopping"] | None:
        turn = context.running_turn
        if not turn.away:
            state: (
                Literal["running", "followed", "stopping"] | None
            ) = await self._store.checkpoint_turn(
                turn_id,
                thread_id,
                items=items,
                removed=removed,
                replace_after=replace_after,
                lease=lease,
                context=context,
            )
            return state
        # Not once it has finished: what is replayed last must be its end.
        if turn.kept and not turn.finished and (items or removed):
            await self._keep(
                turn, thread_id, context, items=items, removed=removed, state="interrupted"
            )
        return "running"

    async def finish_turn(
        self,
        turn_id: str,
        thread_id: str,
        *,
        items: Sequence[ThreadItem],
        removed: Sequence[str],
        replace_after: str | None,
        state: State,
        changes: Mapping[str, Any],
        default_title: str | None,
        gap: Mapping[str, Any] | None,
        context: RequestContext,
    ) -> ThreadMetadata | None:
        turn = context.running_turn
        ending: dict[str, Any] = {
            "items": items,
            "removed": removed,
            "replace_after": replace_after,
            "state": state,
            "changes": changes,
            "default_title": default_title,
            "gap": gap,
        }
        if not turn.away:
            finish = partial(self._store.finish_turn, turn_id, thread_id, context=context, **ending)
            fresh: ThreadMetadata | None
            try:
                fresh = await finish()
                return fresh
            except ConnectionError as error:
                if self._journal is None:
                    # The pool may only have been full; where the database is gone, that is known.
                    fresh = await finish()
                    return fresh
                logger.warning("turn %s goes to the journal: %s", turn_id, error)
                turn.kept = True
        if turn.kept and not await self._keep(turn, thread_id, context, **ending):
            raise ConnectionError("neither the database nor the journal takes the turn")
        thread = turn.thread or ThreadMetadata(id=thread_id, created_at=datetime.now(UTC))
        known = turn.created is not None or not turn.away
        titled = {"title": default_title} if known and thread.title is None else {}
        return thread.model_copy(update=titled | dict(changes))

    async def _keep(
        self,
        turn: Turn,
        thread_id: str,
        context: RequestContext,
        *,
        items: Sequence[ThreadItem],
        **ending: Any,
    ) -> bool:
        if self._journal is None:
            return False
        entry = Entry(
            user_id=context.user_id,
            turn_id=turn.id,
            thread_id=thread_id,
            thread=turn.created,
            items=list(items),
            **ending,
        )
        try:
            await self._journal.append(entry)
        except OSError as error:
            logger.error("the journal can't take turn %s: %s", turn.id, error)
            return False
        turn.count("journaled")
        return True

    # Replay

    async def keep_replaying(self) -> None:
        """Bring the journal to the store whenever that can be reached; ends when cancelled."""
        if self._journal is None:
            return
        pause = _SHORTEST_PAUSE
        while True:
            await self._store.found_again()
            self._journal.appended.clear()
            try:
                await self.replay()
                pause = _SHORTEST_PAUSE
            except ConnectionError as error:
                logger.debug("the journal waits for the database: %s", error)
            except Exception:
                # Whatever it is: without this task, nothing would be replayed any more.
                logger.exception("the journal can't be replayed")
            if self._journal.entries:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            # Now and then also without entries of one's own: other processes may have died.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LONGEST_PAUSE):
                    await self._journal.appended.wait()

    async def replay(self) -> None:
        """Bring what is in the journal to the store.

        Raises:
            ConnectionError: the store can't be reached; what is left stays in the journal.
        """
        if self._journal is None:
            return
        # Whoever waits for it may be cancelled, which must not leave a file half rewritten.
        task = asyncio.create_task(self._journal.replay(self._restore))
        self._replays.add(task)
        task.add_done_callback(self._replayed)
        await asyncio.shield(task)

    def _replayed(self, task: asyncio.Task[None]) -> None:
        self._replays.discard(task)
        if not task.cancelled():
            task.exception()  # told to whoever waited, if anybody did

    async def close(self) -> None:
        """Try once more to bring the journal to the store, before both are closed."""
        if self._replays:
            await asyncio.wait(self._replays)
        if self._journal is not None and self._journal.entries:
            try:
                await self.replay()
            except (ConnectionError, OSError) as error:
                logger.warning(
                    "%d entries stay in the journal for the next start: %s",
                    self._journal.entries,
                    error,
                )

    async def _restore(self, entry: Entry) -> Verdict:
        verdict: Verdict = await self._store.restore_turn(
            entry.turn_id,
            entry.thread or entry.thread_id,
            items=entry.items,
            removed=entry.removed,
            replace_after=entry.replace_after,
            state=entry.state,
            changes=entry.changes,
            default_title=entry.default_title,
            gap=entry.gap,
            context=RequestContext(entry.user_id),
        )
        return verdict

    async def settle_all(self) -> None:
        """Bring what is in the journal to the store, where there is anything."""
        if self._journal is not None and self._journal.entries:
            await self._replay_if_possible()

    async def _settle(self, thread_id: str) -> None:
        if self._journal is not None and self._journal.holds(thread_id):
            await self._replay_if_possible()

    async def _replay_if_possible(self) -> None:
        try:
            await self.replay()
        except ConnectionError:
            raise
        except OSError as error:
            # The journal's disk fails. What is in it comes later, and hides nothing of what is
            # stored already.
            logger.error("the journal can't be replayed now: %s", error)


def _check_reachable(item_id: str, context: RequestContext) -> None:
    # A turn that began without the database knows none of its items: what it looks for, such as
    # the call of a tool that a guardrail takes back, never was one.
    if context.turn is not None and context.turn.away:
        raise NotFoundError(f"item {item_id} not found")
