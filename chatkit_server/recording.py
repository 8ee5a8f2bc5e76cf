"""Passes the events of a turn on, and stores what they add in one round trip at the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from chatkit.errors import BaseStreamError, CustomStreamError, ErrorCode, StreamError
from chatkit.server import (
    ChatKitServer,
    agents_sdk_user_agent_override,
)
from chatkit.store import NotFoundError, Store
from chatkit.types import (
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    ClientToolCallItem,
    ErrorEvent,
    HiddenContextItem,
    SDKHiddenContextItem,
    StreamOptionsEvent,
    ThreadItem,
    ThreadItemDoneEvent,
    ThreadItemReplacedEvent,
    ThreadItemUpdatedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    ThreadUpdatedEvent,
)

from .context import RequestContext
from .lease import INTERRUPTED, TurnStore
from .record import answers
from .turn import Turn
from .updates import apply_update

logger = logging.getLogger("chatkit_server")

STOPPED = "The user stopped this answer. It is not to be continued unless they ask."
_TEXTS = (AssistantMessageItem, SDKHiddenContextItem)
_FIELDS = ("title", "status", "metadata", "allowed_image_domains")


class RecordingServer(ChatKitServer[RequestContext]):
    """A ChatKit server that loses nothing of a turn that it has begun.

    Partial answers are kept whatever ends them: the model, the reader, a shutdown.
    """

    def __init__(self, store: TurnStore) -> None:
        super().__init__(cast("Store[RequestContext]", store))
        self._turn_store = store

    async def _process_events(
        self,
        thread: ThreadMetadata,
        context: RequestContext,
        stream: Callable[[], AsyncIterator[ThreadStreamEvent]],
    ) -> AsyncIterator[ThreadStreamEvent]:
        """Pass on what `stream` yields, and store it in one round trip at the end.

        Takes the place of the SDK's, which writes each item by itself, saves the whole thread with
        what it read at the start, and loses the text of an answer that fails.
        """
        turn = context.running_turn
        record = turn.record
        yield StreamOptionsEvent(stream_options=self.get_stream_options(thread, context))

        before = thread.model_copy(deep=True)
        told = before
        held: ThreadItemDoneEvent | None = None
        ending: list[ThreadStreamEvent] = []
        try:
            with agents_sdk_user_agent_override():
                async for event in turn.steps(stream()):
                    if held is not None:
                        await _save(turn)
                        record.held = None
                        yield held
                        held = None
                    await self._note(event, thread, turn, context)
                    item = getattr(event, "item", None)
                    if isinstance(item, HiddenContextItem | SDKHiddenContextItem):
                        continue
                    if isinstance(event, ThreadItemDoneEvent) and isinstance(
                        item, AssistantMessageItem | ClientToolCallItem
                    ):
                        # Said to be done once it is stored: a client may answer a call at once.
                        held = event
                        record.held = event.item.id
                        continue
                    if isinstance(event, ThreadItemDoneEvent | ThreadItemReplacedEvent):
                        await _save(turn)
                    yield event
                    if thread != told:
                        told = thread.model_copy(deep=True)
                        yield ThreadUpdatedEvent(thread=self._to_thread_response(thread))
        except asyncio.CancelledError:
            turn.outcome = "interrupted" if turn.reason in (None, "shutdown") else "stopped"
            turn.changes = _changes(before, thread)
            await self.handle_stream_cancelled(thread, list(record.pending.values()), context)
            if not turn.hung_up:
                raise
            record.held = None
            if turn.reason != "left":
                for event in self._last_words(turn, held):
                    yield event
            return
        except BaseStreamError as error:
            turn.outcome = "failed"
            ending.append(_error_event(error))
        except Exception:
            turn.outcome = "failed"
            ending.append(ErrorEvent(code=ErrorCode.STREAM_ERROR, allow_retry=True))
            logger.exception("turn %s failed", turn.id)

        turn.mark("last_delta")
        record.close()
        turn.changes = _changes(before, thread)
        try:
            fresh = await self._finish(thread, context)
        except ConnectionError as error:
            turn.outcome = "failed"
            turn.spoilt = True
            logger.warning("turn %s could not be stored: %s", turn.id, error)
            ending = ending or [_error("This answer could not be saved. Copy it if you need it.")]
        else:
            if fresh is None:
                turn.outcome = "failed"
                ending = ending or [_error("This chat was deleted or changed elsewhere.")]
            elif (fresh.title, fresh.status) != (told.title, told.status):
                yield ThreadUpdatedEvent(thread=self._to_thread_response(fresh))
        if turn.spoilt:
            ending = ending or [_error("Parts of this answer could not be saved.")]
        if held is not None:
            record.held = None
            yield held
        for event in ending:
            yield event

    def _last_words(
        self, turn: Turn, held: ThreadItemDoneEvent | None
    ) -> Iterator[ThreadStreamEvent]:
        """What somebody who still reads gets of a turn that was stopped from outside."""
        if held is not None:
            yield held
        for item in turn.partial:
            yield ThreadItemDoneEvent(item=item)
        match turn.reason:
            case "deleted" | "lost":
                yield _error("This chat was deleted or changed elsewhere.")
            case "shutdown":
                yield _error("The server is restarting. Try again in a moment.", allow_retry=True)
            case _ if turn.spoilt:
                yield _error("Parts of this answer could not be saved.")

    async def _note(
        self, event: ThreadStreamEvent, thread: ThreadMetadata, turn: Turn, context: RequestContext
    ) -> None:
        """Keep what an event means for the store."""
        if isinstance(event, ThreadItemUpdatedEvent) and isinstance(
            event.update, AssistantMessageContentPartTextDelta
        ):
            turn.mark("first_delta")
            turn.count("deltas")
        if isinstance(event, ThreadItemUpdatedEvent) and not turn.record.knows(event.item_id):
            try:
                item = await self.store.load_item(thread.id, event.item_id, context=context)
            except NotFoundError:
                logger.warning("turn %s updates %s, which is no item", turn.id, event.item_id)
                return
            turn.record.adopt(item)
        foreign = turn.record.note(event, self._update_pending_items)
        if foreign is not None:
            # A guardrail takes back calls of tools too, which never were items.
            with contextlib.suppress(NotFoundError):
                await self.store.delete_thread_item(thread.id, foreign, context=context)

    def _update_pending_items(
        self, pending_items: dict[str, ThreadItem], event: ThreadItemUpdatedEvent
    ) -> None:
        # The SDK knows nothing of widgets, which it does not store while they are pending.
        if not apply_update(pending_items, event):
            super()._update_pending_items(pending_items, event)

    async def handle_stream_cancelled(
        self,
        thread: ThreadMetadata,
        pending_items: list[ThreadItem],
        context: RequestContext,
    ) -> None:
        """Keep what the reader has got, and tell the next turn that it was stopped."""
        turn = context.running_turn
        turn.partial = turn.record.close()
        marker = SDKHiddenContextItem(
            id=self.store.generate_item_id("sdk_hidden_context", thread, context),
            thread_id=thread.id,
            created_at=datetime.now(UTC),
            content=STOPPED if turn.outcome == "stopped" else INTERRUPTED,
        )
        turn.record.add(marker)
        try:
            await self._finish(thread, context)
        except ConnectionError as error:
            turn.spoilt = True
            logger.warning("stopped turn %s could not be stored: %s", turn.id, error)

    async def _finish(
        self, thread: ThreadMetadata, context: RequestContext
    ) -> ThreadMetadata | None:
        turn = context.running_turn
        items, removed = turn.record.final()
        turn.finished = True
        try:
            return await self._store_end(turn, thread, items, removed, context)
        except ConnectionError:
            raise
        except Exception:
            turn.finished = False
            texts = [item for item in items if isinstance(item, _TEXTS)]
            if not texts:
                raise
            # A tool's item may have an id that another thread has, or be no JSON.
            logger.exception("turn %s could not be stored; its texts are", turn.id)
        turn.spoilt = True
        turn.outcome = "failed" if turn.outcome == "completed" else turn.outcome
        turn.changes = {}
        fresh = await self._store_end(turn, thread, texts, removed, context)
        turn.finished = True
        return fresh

    async def _store_end(
        self,
        turn: Turn,
        thread: ThreadMetadata,
        items: Sequence[ThreadItem],
        removed: Sequence[str],
        context: RequestContext,
    ) -> ThreadMetadata | None:
        return await self._turn_store.finish_turn(
            turn.id,
            thread.id,
            items=items,
            removed=removed,
            # The old answer stays where there is no new one.
            replace_after=turn.retry if any(map(answers, items)) else None,
            state="failed" if turn.outcome == "refused" else turn.outcome,
            changes=turn.changes,
            default_title=turn.title if turn.record.answered() else None,
            gap=turn.gap(items),
            context=context,
        )


async def _save(turn: Turn) -> None:
    """Store what is about to be said to be done, while the turn goes on."""
    if turn.save is not None:
        await turn.save()


def _changes(before: ThreadMetadata, thread: ThreadMetadata) -> dict[str, Any]:
    return {
        name: getattr(thread, name)
        for name in _FIELDS
        if getattr(thread, name) != getattr(before, name)
    }


def _error(message: str, *, allow_retry: bool = False) -> ErrorEvent:
    return ErrorEvent(code="custom", message=message, allow_retry=allow_retry)


def _error_event(error: BaseStreamError) -> ErrorEvent:
    if isinstance(error, CustomStreamError):
        return _error(error.message, allow_retry=error.allow_retry)
    code = error.code if isinstance(error, StreamError) else ErrorCode.STREAM_ERROR
    return ErrorEvent(code=code, allow_retry=error.allow_retry)
