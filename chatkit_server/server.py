"""The ChatKit server: one turn from the question to the stored answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

from agents import Agent, RunConfig
from agents.models.interface import Model
from chatkit.server import (
    ChatKitServer,
    NonStreamingResult,
    StreamingResult,
)
from chatkit.store import NotFoundError
from chatkit.types import (
    AudioInput,
    FeedbackKind,
    NonStreamingReq,
    NoticeEvent,
    StreamingReq,
    SyncCustomActionResponse,
    ThreadCreatedEvent,
    ThreadCustomActionParams,
    ThreadItemDoneEvent,
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
    TranscriptionResult,
    UserMessageInput,
    UserMessageItem,
    is_streaming_req,
)
from pydantic_core import PydanticSerializationError
from structlog.contextvars import bind_contextvars

from .allowance import Allowance
from .answer import Answerer, Render, Search
from .attachments import Attachments, SignedItems
from .checks import check_fits, load_sender
from .context import RequestContext
from .dictation import Transcriber
from .errors import RequestError, not_configured, unavailable
from .file_parts import FileParts
from .followed import FollowedServer
from .journal import Journal
from .journaled import JournaledStore
from .lease import Lease, TurnStore
from .observer import Observer
from .offers import Offers
from .personal import Personal
from .prices import TokenPrice, cost
from .record import words_of
from .rewriting import Rewriter
from .salvage import Salvage
from .sdk import REQUESTS
from .tracing import note, span
from .trail import Trails
from .turn import Turn

logger = logging.getLogger("chatkit_server")


class DocsServer(FollowedServer):
    """Answers from the docs.

    A turn costs one database round trip before the model is called and one after the last delta:
    everything that it adds to the thread is written by `finish_turn`, partial answers included.

    Args:
        store: A `chatkit.store.Store` that also has the methods of `TurnStore`.
        search: Finds passages for a question, of the version and in the language that the reader
            is at; raises ConnectionError when it is down.
        render: Writes passages with their numbers, as the model gets them.
        agent: Answers; its tools may use the `AgentContext` of ChatKit.
        fallback: Answers from the passages alone while the agent's model is down. None where
            the agent itself can only quote, so that nothing can be said without the search.
        rewriter: Rewrites questions that lean on the conversation; a rule does without it.
        models: Those that readers may choose instead of the agent's, by name.
        run_config: Says where the models are that agents name.
        own_answers: Whether a text of the reader's own may stand in for an option of a form.
        attachments: Takes files that go with messages; without it the server takes none.
        files: What the model gets of them; their names alone without it.
        transcriber: Takes dictation; without it the server takes none.
        journal: Takes what the store can't while it is away.
        trails: Keep what is sent, in case that the process is killed.
        observer: Is told of each turn's end.
        prices: Of tokens, by model, for an estimate of what a turn costs.
        log_questions: Whether the log shows what readers ask.
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
        rewriter: Rewriter | None = None,
        models: Mapping[str, Model] | None = None,
        run_config: RunConfig | None = None,
        own_answers: bool = False,
        attachments: Attachments | None = None,
        files: FileParts | None = None,
        transcriber: Transcriber | None = None,
        allowance: Allowance | None = None,
        journal: Journal | None = None,
        trails: Trails | None = None,
        observer: Observer | None = None,
        prices: Mapping[str, TokenPrice] | None = None,
        log_questions: bool = False,
    ) -> None:
        self._observer = observer or Observer()
        self._prices = prices or {}
        self._log_questions = log_questions
        turns: dict[str, Turn] = {}
        self.allowance = allowance or Allowance(store.add_usage)
        self.journaled = JournaledStore(store, turns, self.allowance.judge, journal)
        super().__init__(self.journaled, turns)
        self.attachments = self.attachment_store = attachments
        if attachments is not None:
            self.store = cast("Any", SignedItems(self.journaled, attachments))
        store_of_all = cast("Any", self.journaled)
        self.personal = Personal(store_of_all, self.journaled, self._begun, attachments)
        """Exports and deletes everything of one user."""
        self._trails = trails
        self.salvage = Salvage(trails, store, self._update_pending_items) if trails else None
        self._transcriber = transcriber
        self._agent = agent
        self._turn_timeout = turn_timeout
        self._own_answers = own_answers
        self._offers = Offers.of(agent, models or {})
        self.answerer = Answerer(
            self.store,
            search,
            render,
            offers=self._offers,
            run_config=run_config,
            fallback=fallback,
            rewriter=rewriter,
            allowance=self.allowance,
            history_tokens=history_tokens,
            site_url=site_url,
            files=files,
            observer=self._observer,
        )

    @property
    def leases(self) -> int:
        """How many threads the turns of this process hold."""
        return len(self._turns)

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
                    turn.hang_up("deleted")
                if self.attachments is not None:
                    await self.attachments.clear(context)
                return result
            case ThreadsSyncCustomActionReq(params=params):
                return self._serialize(await self._run_sync_action(params, context))
        return await super()._process_non_streaming(request, context)

    async def _run_sync_action(
        self, params: ThreadCustomActionParams, context: RequestContext
    ) -> SyncCustomActionResponse:
        """A turn of its own, which stores what the action changes; the SDK only sends it."""
        if type(self).sync_action is ChatKitServer.sync_action:
            raise not_configured("This server has no actions.")
        turn = context.turn = Turn("threads.sync_custom_action")
        try:
            async with self._lease(turn, params.thread_id, None, context) as start:
                thread = start.thread
                sender = await load_sender(self.store, thread.id, params.item_id, context)
                work = partial(self.sync_action, thread, params.action, sender, context)
                try:
                    async with asyncio.timeout(self._turn_timeout):
                        result = await turn.interruptible(work)
                except asyncio.CancelledError:
                    if not turn.hung_up:
                        raise
                    raise RequestError(409, "busy", "This was stopped meanwhile.") from None
                if item := result.updated_item:
                    # Only what is in this thread: `NotFoundError` for anything else.
                    await self.store.load_item(thread.id, item.id, context)
                    turn.record.add(item.model_copy(update={"thread_id": thread.id}))
                    if await self._finish(thread, context) is None:
                        raise RequestError(
                            409, "busy", "This chat was deleted or changed elsewhere. Try again."
                        )
                return result
        except TimeoutError:
            turn.outcome = "failed"
            raise unavailable("This took too long. Try again.") from None
        except (RequestError, NotFoundError):
            turn.outcome = "stopped" if turn.hung_up else "refused"
            raise
        except Exception:
            turn.outcome = "failed"
            raise
        finally:
            self._end(turn)

    async def add_feedback(
        self, thread_id: str, item_ids: list[str], feedback: FeedbackKind, context: RequestContext
    ) -> None:
        await self._turn_store.add_feedback(thread_id, item_ids, feedback, context=context)

    async def transcribe(
        self, audio_input: AudioInput, context: RequestContext
    ) -> TranscriptionResult:
        if self._transcriber is None:
            raise not_configured("This server takes no dictation.")
        return TranscriptionResult(text=await self._transcriber.transcribe(audio_input))

    async def _build_user_message_item(
        self,
        input: UserMessageInput,  # noqa: A002
        thread: ThreadMetadata,
        context: RequestContext,
    ) -> UserMessageItem:
        if self.attachments is None or not input.attachments:
            return await super()._build_user_message_item(input, thread, context)
        # All in one round trip, and refused where they can't be sent.
        sent = await self.attachments.for_message(input.attachments, thread.id, context)
        words = input.model_copy(update={"attachments": []})
        message = await super()._build_user_message_item(words, thread, context)
        return message.model_copy(update={"attachments": sent})

    async def _stream(
        self, request: StreamingReq, context: RequestContext
    ) -> AsyncGenerator[bytes, None]:
        """The frames of one streamed request. An error before the first one is the caller's."""
        turn = context.turn = context.turn or Turn(request.type)
        # For all that is logged in its task, and in those that it starts.
        bind_contextvars(turn_id=turn.id)
        deadline = asyncio.get_running_loop().call_later(self._turn_timeout, turn.time_out)
        match request:
            case ThreadsCreateReq() | ThreadsAddUserMessageReq():
                events = self._message_turn(request, context, turn)
            case ThreadsRetryAfterItemReq():
                events = self._retry_turn(request, context, turn)
            case _:
                events = self._other_turn(request, context, turn)
        with span("turn", {"turn_id": turn.id, "kind": request.type}) as spanned:
            try:
                async for event in events:
                    turn.mark("first_event")
                    if (frame := self._frame(event, context)) is not None:
                        yield frame
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
                turn.drop_search()
                self._end(turn)
                note(spanned, **turn.summary)

    def _end(self, turn: Turn) -> None:
        if turn.thread_id and self._turns.get(turn.thread_id) is turn:
            del self._turns[turn.thread_id]
        self._begun.discard(turn)
        turn.done.set()
        costs = [cost(self._prices, model, *used) for model, used in turn.usage.items()]
        if known := [one for one in costs if one is not None]:
            turn.cost = sum(known)
        turn.log(question=self._log_questions)
        self._observer.turn_ended(turn)

    async def _message_turn(
        self,
        request: ThreadsCreateReq | ThreadsAddUserMessageReq,
        context: RequestContext,
        turn: Turn,
    ) -> AsyncIterator[ThreadStreamEvent]:
        sent = request.params.input
        self._offers.check(sent.inference_options)
        self.answerer.search_early(words_of(sent.content), sent.quoted_text, context)

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
            if turn.notice is not None:
                yield NoticeEvent(level="warning", message=turn.notice)
            async for event in self._process_events(
                start.thread, context, lambda: self.respond(start.thread, message, context)
            ):
                yield event

    async def _retry_turn(
        self, request: ThreadsRetryAfterItemReq, context: RequestContext, turn: Turn
    ) -> AsyncIterator[ThreadStreamEvent]:
        """Answer a message anew; what came after it is replaced when there is something new."""
        turn.retry = request.params.item_id
        async with self._lease(turn, request.params.thread_id, None, context) as start:
            turn.items = start.items
            message = cast("UserMessageItem", start.items[-1])
            async for event in self._process_events(
                start.thread, context, lambda: self.respond(start.thread, message, context)
            ):
                yield event

    async def _other_turn(
        self,
        request: ThreadsAddClientToolOutputReq
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
            await check_fits(
                request, start.items, self.store, context, own_answers=self._own_answers
            )
            async for event in self._process_streaming_impl(request, context):
                yield event

    # The turn

    def _lease(
        self,
        turn: Turn,
        thread: ThreadMetadata | str,
        message: UserMessageItem | None,
        context: RequestContext,
    ) -> Lease:
        turn.user_id = context.user_id
        turn.asked = thread if isinstance(thread, str) else thread.id
        bind_contextvars(thread_id=turn.asked)
        self._begun.add(turn)
        return Lease(
            self._turn_store,
            self._turns,
            turn,
            thread,
            message,
            context,
            self.allowance.judge,
            self._trails,
        )

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

    def _frame(self, event: ThreadStreamEvent, context: RequestContext) -> bytes | None:
        """None for what JSON can't hold: a fault of a tool, which is not to cost the answer."""
        if self.attachments is not None and isinstance(event, ThreadItemDoneEvent):
            event = ThreadItemDoneEvent(item=self.attachments.shown(event.item, context))
        try:
            return b"data: " + self._serialize(event) + b"\n\n"
        except PydanticSerializationError as error:
            logger.error("an event of type %s is no JSON and was left out: %s", event.type, error)
            return None
