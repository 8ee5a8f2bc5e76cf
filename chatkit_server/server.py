"""The ChatKit server: one turn from the question to the stored answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from agents import (
    Agent,
    RunConfig,
    Runner,
    TResponseInputItem,
)
from agents.exceptions import ModelBehaviorError
from agents.models.interface import Model
from chatkit.agents import AgentContext, stream_agent_response
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
    InferenceOptions,
    NonStreamingReq,
    NoticeEvent,
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
    UserMessageInput,
    UserMessageItem,
    UserMessageTextContent,
    WidgetItem,
    is_streaming_req,
)

from .citations import Citer
from .context import RequestContext
from .errors import RequestError, invalid, not_configured
from .failures import explain, is_outage
from .followup import complete
from .history import model_input, text_of
from .instructions import page_note
from .lease import HISTORY, Lease, TurnStart, TurnStore
from .running import TurnMemory, Watch, says_something
from .sdk import REQUESTS
from .sources import Hit
from .turn import Turn

logger = logging.getLogger("chatkit_server")

_MAX_STEPS = 8
_FIELDS = ("title", "status", "metadata", "allowed_image_domains")
Search = Callable[[str], Awaitable[Sequence[Hit]]]
Render = Callable[[Sequence[Any], Sequence[int]], str]


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
        self._search = search
        self._render = render
        self._agent = agent
        self._fallback = fallback
        self._history_tokens = history_tokens
        self._site_url = site_url
        self._turn_timeout = turn_timeout
        self._turns: dict[str, Turn] = {}
        self.model_failed = False
        """Whether the last call of the model failed."""

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
        # Beside the database, not after it.
        turn.search = asyncio.create_task(self._find(question))

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
        async for event in self._answer(self._agent, thread, input_user_message, context):
            yield event

    async def rehearse(self, model: Model) -> None:
        """Answer once for nobody, without the store, so that the first reader need not wait.

        What is imported, compiled and connected on first use takes half a second.
        """
        thread = ThreadMetadata(id="rehearsal", created_at=datetime.now(UTC))
        context = RequestContext("rehearsal", turn=Turn("rehearsal"))
        words = UserMessageInput(
            content=[UserMessageTextContent(text="How do I start?")],
            attachments=[],
            inference_options=InferenceOptions(),
        )
        message = await self._build_user_message_item(words, thread, context)
        _turn(context).items = [message, message]
        agent = Agent[Any](name="rehearsal", instructions="", model=model)
        async for event in self._answer(agent, thread, message, context):
            self._serialize(event)

    async def _answer(
        self,
        agent: Agent[Any],
        thread: ThreadMetadata,
        input_user_message: UserMessageItem | None,
        context: RequestContext,
    ) -> AsyncIterator[ThreadStreamEvent]:
        turn = _turn(context)
        turn.check()
        items = turn.items
        if items is None:
            page = await self.store.load_thread_items(thread.id, None, HISTORY, "desc", context)
            # What this turn has done so far is stored at its end; the model is told of it now.
            stored = {item.id for item in page.data}
            items = [turn.unsaved.get(item.id, item) for item in page.data[::-1]]
            items += [item for item in turn.unsaved.values() if item.id not in stored]
        asked = input_user_message or next(
            (item for item in reversed(items) if isinstance(item, UserMessageItem)), None
        )
        passages = None
        if asked is not None:
            query = complete(text_of(asked), items)
            try:
                hits = await self._first_search(query, text_of(asked), turn)
            except ConnectionError as error:
                logger.warning("search failed, answering without it: %s", error)
                if self._fallback is None:
                    raise CustomStreamError(
                        "The docs can't be searched right now. Try again soon.", allow_retry=True
                    ) from error
                yield NoticeEvent(
                    level="warning",
                    message="The docs can't be searched right now: this answer has no sources.",
                )
            else:
                passages = self._render(hits, turn.sources.number(hits))
                if note := page_note(context.page):
                    passages = f"{passages}\n{note}"
            turn.mark("search")

        agent_input = await model_input(items, budget=self._history_tokens, passages=passages)
        agent_context: AgentContext[RequestContext] = AgentContext(
            thread=thread,
            store=cast("Any", TurnMemory(self.store, items, turn)),
            request_context=context,
        )
        turn.check()
        turn.mark("model")
        said_something = False
        try:
            async for event in self._run(agent, agent_context, agent_input, turn):
                said_something = said_something or says_something(event)
                yield event
            if not said_something:
                raise ModelBehaviorError("the answer is empty")
        except Exception as error:
            self.model_failed = True
            shown = said_something or any(text_of(item) for item in turn.pending.values())
            if self._fallback is None or shown or not is_outage(error):
                raise explain(error, shown=bool(shown)) or error from error
            # Of the error only its kind: a provider may quote the conversation in it.
            kind = f"{type(error).__name__} {getattr(error, 'status_code', '')}".strip()
            logger.warning("the model failed (%s), quoting the docs instead", kind)
        else:
            self.model_failed = False
            return
        turn.count("fallbacks")
        for item in (*turn.pending.values(), *turn.unsaved.values()):
            if isinstance(item, AssistantMessageItem):
                yield ThreadItemRemovedEvent(item_id=item.id)
        yield NoticeEvent(
            level="warning",
            message="The model can't be reached right now: this answer only quotes the docs.",
        )
        async for event in self._run(self._fallback, agent_context, agent_input, turn):
            yield event

    async def _run(
        self,
        agent: Agent[Any],
        context: AgentContext[RequestContext],
        agent_input: list[TResponseInputItem],
        turn: Turn,
    ) -> AsyncIterator[ThreadStreamEvent]:
        """One run of an agent as events for the reader, cited and with ids of ours."""
        turn.result = result = Runner.run_streamed(
            agent,
            agent_input,
            context=context,
            max_turns=_MAX_STEPS,
            hooks=Watch(turn),
            # Without the group, the Agents SDK sends a random cache key for every run.
            run_config=RunConfig(tracing_disabled=True, group_id=context.thread.id),
        )
        citer = Citer(
            turn.sources,
            lambda kind: self.store.generate_item_id(
                cast("Any", kind), context.thread, context.request_context
            ),
            site_url=self._site_url,
        )
        try:
            async for event in citer.rewrite(stream_agent_response(context, result)):
                yield event
        finally:
            turn.count("citations", citer.citations)
            turn.count("input_tokens", result.context_wrapper.usage.input_tokens)
            turn.count("output_tokens", result.context_wrapper.usage.output_tokens)
        turn.check()
        if turn.timed_out:
            raise CustomStreamError("The answer took too long and was cut off.", allow_retry=True)

    async def _find(self, query: str) -> Sequence[Hit]:
        return await self._search(query) if query.strip() else []

    async def _first_search(self, query: str, question: str, turn: Turn) -> Sequence[Hit]:
        """What the search that runs since the request came in finds; anew for another query."""
        if turn.search is None or query != question:
            if turn.search is not None:
                turn.search.cancel()
            turn.search = asyncio.create_task(self._find(query))
            turn.count("searches")
        turn.count("searches")
        try:
            return await turn.search
        except asyncio.CancelledError:
            turn.check()
            raise CustomStreamError("The search took too long.", allow_retry=True) from None

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
        turn = _turn(context)
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
        turn = _turn(context)
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
        turn = _turn(context)
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


def _turn(context: RequestContext) -> Turn:
    if context.turn is None:
        raise RuntimeError("a turn is begun by a streamed request")
    return context.turn


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
