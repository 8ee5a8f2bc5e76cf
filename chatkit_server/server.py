"""The ChatKit server: one turn from the question to the stored answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from agents import (
    Agent,
)
from agents.models.interface import Model
from chatkit.errors import BaseStreamError, CustomStreamError, ErrorCode, StreamError
from chatkit.server import (
    ChatKitServer,
    NonStreamingResult,
    StreamingResult,
    agents_sdk_user_agent_override,
)
from chatkit.store import NotFoundError, Store
from chatkit.types import (
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    ClientToolCallItem,
    ErrorEvent,
    FeedbackKind,
    HiddenContextItem,
    NonStreamingReq,
    SDKHiddenContextItem,
    StreamingReq,
    StreamOptionsEvent,
    StructuredInputItem,
    ThreadCreatedEvent,
    ThreadItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemReplacedEvent,
    ThreadItemUpdatedEvent,
    ThreadMetadata,
    ThreadsAddClientToolOutputReq,
    ThreadsAddStructuredInputReq,
    ThreadsAddUserMessageReq,
    ThreadsCreateReq,
    ThreadsCustomActionReq,
    ThreadsDeleteReq,
    ThreadsRetryAfterItemReq,
    ThreadsSyncCustomActionReq,
    ThreadStreamEvent,
    ThreadsUpdateReq,
    ThreadUpdatedEvent,
    UserMessageItem,
    WidgetItem,
    is_streaming_req,
)

from .answer import Answerer, Render, Search
from .context import RequestContext
from .errors import RequestError, invalid, not_configured
from .history import text_of
from .lease import Lease, TurnStart, TurnStore
from .sdk import REQUESTS
from .turn import Turn

logger = logging.getLogger("chatkit_server")

_MAX_STEPS = 8
_FIELDS = ("title", "status", "metadata", "allowed_image_domains")


class DocsServer(ChatKitServer[RequestContext]):
    """Answers from the docs.

    A turn costs one database round trip before the model is called and one after the last delta:
    everything that it adds to the thread is written by `finish_turn`, partial answers included.

    Args:
        store: A `chatkit.store.Store` that also has the methods of `TurnStore`.
        search: Finds passages for a question; raises ConnectionError when it is down.
        render: Writes passages with their numbers, as the model gets them.
        agent: Answers; its tools may use the `AgentContext` of ChatKit.
        fallback: Answers from the passages alone while the agent's model is down. None where
            the agent itself can only quote, so that nothing can be said without the search.
    """

    def __init__(
        self,
        store: TurnStore,
        search: Search,
        render: Render,
        agent: Agent[Any],
        *,
        fallback: Agent[Any] | None = None,
        history_tokens: int = 6000,
        site_url: str | None = None,
        turn_timeout: float = 300.0,
    ) -> None:
        super().__init__(cast("Store[RequestContext]", store))
        self._turn_store = store
        self._agent = agent
        self._turn_timeout = turn_timeout
        self._turns: dict[str, Turn] = {}
        self.answerer = Answerer(
            self.store,
            search,
            render,
            fallback=fallback,
            history_tokens=history_tokens,
            site_url=site_url,
        )

    # Requests

    async def process(
        self, request: str | bytes | bytearray, context: RequestContext
    ) -> StreamingResult | NonStreamingResult:
        parsed = context.request or REQUESTS.validate_json(request)
        if is_streaming_req(parsed):
            return StreamingResult(self._stream(parsed, context))
        return NonStreamingResult(await self._process_non_streaming(parsed, context))

    async def _process_non_streaming(
        self, request: NonStreamingReq, context: RequestContext
    ) -> bytes:
        match request:
            case ThreadsUpdateReq(params=params):
                thread = await self._turn_store.update_thread(
                    params.thread_id, {"title": params.title}, context=context
                )
                return self._serialize(self._to_thread_response(thread))
            case ThreadsDeleteReq(params=params):
                result = await super()._process_non_streaming(request, context)
                if turn := self._turns.get(params.thread_id):
                    turn.hang_up()
                return result
            case ThreadsSyncCustomActionReq():
                if type(self).sync_action is ChatKitServer.sync_action:
                    raise not_configured("This server has no actions.")
                await self._check_sender(
                    request.params.thread_id, request.params.item_id, context=context
                )
        return await super()._process_non_streaming(request, context)

    async def add_feedback(
        self, thread_id: str, item_ids: list[str], feedback: FeedbackKind, context: RequestContext
    ) -> None:
        await self._turn_store.add_feedback(thread_id, item_ids, feedback, context=context)

    async def _stream(
        self, request: StreamingReq, context: RequestContext
    ) -> AsyncGenerator[bytes, None]:
        """The frames of one streamed request. An error before the first one is the caller's."""
        turn = context.turn = context.turn or Turn(request.type)

        deadline = asyncio.get_running_loop().call_later(self._turn_timeout, turn.time_out)
        message = isinstance(request, ThreadsCreateReq | ThreadsAddUserMessageReq)
        events = self._message_turn if message else self._other_turn
        try:
            async for event in events(cast("Any", request), context, turn):
                turn.mark("first_event")
                yield b"data: " + self._serialize(event) + b"\n\n"
        except asyncio.CancelledError:
            turn.outcome = "stopped"
            raise
        except (RequestError, NotFoundError):
            turn.outcome = "refused"
            raise
        except Exception:
            turn.outcome = "failed"
            raise
        finally:
            deadline.cancel()
            if turn.search is not None:
                turn.search.cancel()
            if turn.thread_id and self._turns.get(turn.thread_id) is turn:
                del self._turns[turn.thread_id]
            turn.done.set()
            turn.log()

    async def _message_turn(
        self,
        request: ThreadsCreateReq | ThreadsAddUserMessageReq,
        context: RequestContext,
        turn: Turn,
    ) -> AsyncIterator[ThreadStreamEvent]:
        sent = request.params.input
        question = "".join(part.text for part in sent.content)
        self.answerer.search_early(question, turn)

        now = datetime.now(UTC)
        if isinstance(request, ThreadsCreateReq):
            thread = ThreadMetadata(id=self.store.generate_thread_id(context), created_at=now)
            reference: ThreadMetadata | str = thread
        else:
            thread = ThreadMetadata(id=request.params.thread_id, created_at=now)
            reference = thread.id
        message = await self._build_user_message_item(sent, thread, context)
        async with self._lease(turn, reference, message, context) as start:
            turn.items = start.items
            if isinstance(request, ThreadsCreateReq):
                yield ThreadCreatedEvent(thread=self._to_thread_response(start.thread))
            yield ThreadItemDoneEvent(item=message)
            async for event in self._process_events(
                start.thread, context, lambda: self.respond(start.thread, message, context)
            ):
                yield event

    async def _other_turn(
        self,
        request: ThreadsRetryAfterItemReq
        | ThreadsAddClientToolOutputReq
        | ThreadsAddStructuredInputReq
        | ThreadsCustomActionReq,
        context: RequestContext,
        turn: Turn,
    ) -> AsyncIterator[ThreadStreamEvent]:
        if isinstance(request, ThreadsCustomActionReq) and (
            type(self).action is ChatKitServer.action
        ):
            raise not_configured("This server has no actions.")
        async with self._lease(turn, request.params.thread_id, None, context) as start:
            await self._check(request, start, context)
            async for event in self._process_streaming_impl(request, context):
                yield event

    async def _check(
        self, request: StreamingReq, start: TurnStart, context: RequestContext
    ) -> None:
        """Refuse what the SDK would break the stream for."""
        match request:
            case ThreadsRetryAfterItemReq(params=params):
                item = await self.store.load_item(params.thread_id, params.item_id, context)
                if not isinstance(item, UserMessageItem):
                    raise invalid("Only a message of the user can be retried.")
            case ThreadsAddClientToolOutputReq():
                last = start.items[-1] if start.items else None
                if not isinstance(last, ClientToolCallItem) or last.status != "pending":
                    raise RequestError(409, "not_pending", "No tool call waits for its output.")
            case ThreadsAddStructuredInputReq(params=params):
                item = await self.store.load_item(params.thread_id, params.item_id, context)
                if not isinstance(item, StructuredInputItem):
                    raise invalid("This item does not ask for answers.")
                if item.status != "pending":
                    raise RequestError(409, "not_pending", "These questions are answered already.")
            case ThreadsCustomActionReq(params=params):
                await self._check_sender(params.thread_id, params.item_id, context=context)

    async def _check_sender(
        self, thread_id: str, item_id: str | None, *, context: RequestContext
    ) -> None:
        if item_id is not None:
            item = await self.store.load_item(thread_id, item_id, context)
            if not isinstance(item, WidgetItem):
                raise invalid("Only a widget can send an action.")

    # The turn

    def _lease(
        self,
        turn: Turn,
        thread: ThreadMetadata | str,
        message: UserMessageItem | None,
        context: RequestContext,
    ) -> Lease:
        return Lease(self._turn_store, self._turns, turn, thread, message, context)

    async def respond(
        self,
        thread: ThreadMetadata,
        input_user_message: UserMessageItem | None,
        context: RequestContext,
    ) -> AsyncIterator[ThreadStreamEvent]:
        async for event in self.answerer.answer(self._agent, thread, input_user_message, context):
            yield event

    async def rehearse(self, model: Model) -> None:
        """Answer once for nobody, without the store, so that the first reader need not wait."""
        await self.answerer.rehearse(model)

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
        yield StreamOptionsEvent(stream_options=self.get_stream_options(thread, context))

        before = thread.model_copy(deep=True)
        told = before
        held: ThreadItemDoneEvent | None = None
        failure: ErrorEvent | None = None
        try:
            with agents_sdk_user_agent_override():
                async for event in stream():
                    if held is not None:
                        yield held
                        held = None
                    await self._note(event, thread, turn, context)
                    if isinstance(event, ThreadItemDoneEvent):
                        if isinstance(event.item, HiddenContextItem | SDKHiddenContextItem):
                            continue
                        if isinstance(event.item, AssistantMessageItem):
                            # Said to be done once it is stored.
                            held = event
                            continue
                    yield event
                    if thread != told:
                        told = thread.model_copy(deep=True)
                        yield ThreadUpdatedEvent(thread=self._to_thread_response(thread))
        except asyncio.CancelledError:
            changes = _changes(before, thread)
            turn.changes = changes
            await self.handle_stream_cancelled(thread, list(turn.pending.values()), context)
            raise
        except BaseStreamError as error:
            turn.outcome = "failed"
            failure = _error_event(error)
        except Exception:
            turn.outcome = "failed"
            failure = ErrorEvent(code=ErrorCode.STREAM_ERROR, allow_retry=True)
            logger.exception("turn %s failed", turn.id)

        turn.mark("last_delta")
        _keep_partial_answers(turn)
        turn.changes = _changes(before, thread)
        try:
            fresh = await self._finish(thread, context)
        except ConnectionError as error:
            turn.outcome = "failed"
            logger.warning("turn %s could not be stored: %s", turn.id, error)
            failure = failure or ErrorEvent(
                message="This answer could not be saved. Copy it if you need it.", allow_retry=False
            )
        else:
            if fresh is None:
                turn.outcome = "failed"
                failure = failure or ErrorEvent(
                    message="This chat was deleted or changed elsewhere.", allow_retry=False
                )
            elif fresh.title != told.title or fresh.status != told.status:
                yield ThreadUpdatedEvent(thread=self._to_thread_response(fresh))
        if held is not None:
            yield held
        if failure is not None:
            yield failure

    async def _note(
        self, event: ThreadStreamEvent, thread: ThreadMetadata, turn: Turn, context: RequestContext
    ) -> None:
        """Keep what an event means for the store."""
        match event:
            case ThreadItemAddedEvent(item=item):
                turn.pending[item.id] = item.model_copy(deep=True)
            case ThreadItemUpdatedEvent(update=update):
                if isinstance(update, AssistantMessageContentPartTextDelta):
                    turn.mark("first_delta")
                    turn.count("deltas")
                self._update_pending_items(turn.pending, event)
            case ThreadItemDoneEvent(item=item) | ThreadItemReplacedEvent(item=item):
                turn.pending.pop(item.id, None)
                turn.unsaved[item.id] = item
            case ThreadItemRemovedEvent(item_id=item_id):
                pending = turn.pending.pop(item_id, None)
                unsaved = turn.unsaved.pop(item_id, None)
                if pending is None and unsaved is None:
                    # A guardrail takes back calls of tools too, which never were items.
                    with contextlib.suppress(NotFoundError):
                        await self.store.delete_thread_item(thread.id, item_id, context=context)

    async def handle_stream_cancelled(
        self,
        thread: ThreadMetadata,
        pending_items: list[ThreadItem],
        context: RequestContext,
    ) -> None:
        """Keep what the reader has got, and tell the next turn that it was stopped."""
        turn = context.running_turn
        _keep_partial_answers(turn)
        marker = SDKHiddenContextItem(
            id=self.store.generate_item_id("sdk_hidden_context", thread, context),
            thread_id=thread.id,
            created_at=datetime.now(UTC),
            content="The user stopped this answer. It is not to be continued unless they ask.",
        )
        turn.unsaved[marker.id] = marker
        try:
            await self._finish(thread, context)
        except ConnectionError as error:
            logger.warning("stopped turn %s could not be stored: %s", turn.id, error)

    async def _finish(
        self, thread: ThreadMetadata, context: RequestContext
    ) -> ThreadMetadata | None:
        turn = context.running_turn
        items = list(turn.unsaved.values())
        answered = any(isinstance(item, AssistantMessageItem) for item in items)
        turn.finished = True
        return await self._turn_store.finish_turn(
            turn.id,
            thread.id,
            items=items,
            changes=turn.changes,
            default_title=_title(turn.items) if answered else None,
            context=context,
        )


def _changes(before: ThreadMetadata, thread: ThreadMetadata) -> dict[str, Any]:
    return {
        name: getattr(thread, name)
        for name in _FIELDS
        if getattr(thread, name) != getattr(before, name)
    }


def _keep_partial_answers(turn: Turn) -> None:
    """What the reader has seen of an answer that did not come to its end is kept, as it is."""
    for item in turn.pending.values():
        if isinstance(item, AssistantMessageItem) and text_of(item).strip():
            turn.unsaved[item.id] = item
    turn.pending.clear()


def _error_event(error: BaseStreamError) -> ErrorEvent:
    if isinstance(error, CustomStreamError):
        return ErrorEvent(code="custom", message=error.message, allow_retry=error.allow_retry)
    code = error.code if isinstance(error, StreamError) else ErrorCode.STREAM_ERROR
    return ErrorEvent(code=code, allow_retry=error.allow_retry)


def _title(items: Sequence[ThreadItem] | None) -> str | None:
    """A thread's title: its first question, cut at a word."""
    first = next((item for item in items or () if isinstance(item, UserMessageItem)), None)
    words = text_of(first).split()
    title = ""
    for word in words:
        if len(title) + len(word) > 60:
            return f"{title or word[:60]}…"
        title = f"{title} {word}".strip()
    return title or None
