"""The answer to a question: first search, run of the agent, quotes when the model is down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol, cast

from agents import Agent, RunConfig, Runner, TResponseInputItem
from agents.exceptions import ModelBehaviorError
from agents.models.interface import Model
from agents.result import RunResultStreaming
from chatkit.agents import AgentContext, stream_agent_response
from chatkit.errors import CustomStreamError
from chatkit.store import Store
from chatkit.types import (
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    InferenceOptions,
    NoticeEvent,
    ProgressUpdateEvent,
    ThreadItem,
    ThreadItemRemovedEvent,
    ThreadItemUpdatedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
    UserMessageTextContent,
)

from .allowance import Allowance
from .breaker import Breaker
from .citations import Citer
from .context import RequestContext, place
from .courtesy import courtesy
from .failures import cut_off, explain, is_outage, reason
from .file_parts import FileParts
from .followup import complete
from .history import model_input, recent_attachments
from .inquiry import Inquiry, Wording
from .instructions import query_note, verdict_note
from .lease import HISTORY
from .meter import Meter
from .observer import Ending, Observer
from .offers import Offers
from .quoting import QuotingModel
from .reading import about_reading, page_note
from .record import text_of
from .rewriting import Rewriter
from .running import Run, TurnMemory, Watch, name_of, says_something
from .sources import Hit
from .thoughts import in_steps
from .turn import Turn

logger = logging.getLogger("chatkit_server")

_MAX_STEPS = 8


class Search(Protocol):
    """Finds passages, best first; their sequence may be `Judged`."""

    def __call__(
        self, query: str, *, version: str | None, locale: str | None
    ) -> Awaitable[Sequence[Hit]]: ...


Render = Callable[[Sequence[Any], Sequence[int]], str]


class Answerer:
    """Answers a message with the agent; see `DocsServer` for the arguments."""

    def __init__(
        self,
        store: Store[RequestContext],
        search: Search,
        render: Render,
        *,
        offers: Offers,
        run_config: RunConfig | None = None,
        fallback: Agent[Any] | None,
        rewriter: Rewriter | None = None,
        allowance: Allowance,
        history_tokens: int,
        site_url: str | None,
        files: FileParts | None = None,
        observer: Observer,
    ) -> None:
        self._observer = observer
        self._store = store
        self._search = search
        self._render = render
        self._offers = offers
        self._run_config = run_config or RunConfig(tracing_disabled=True)
        self._fallback = fallback
        self._rewriter = rewriter
        self._allowance = allowance
        self._history_tokens = history_tokens
        self._site_url = site_url
        # One for each model that can be chosen; None is the agent's own.
        self._breakers: dict[Model | None, Breaker] = {
            model: Breaker("model", is_outage) for model in (None, *offers.models.values())
        }
        self._names = {model: f"model {name}" for name, model in offers.models.items()}
        self._files = files
        self._model_failed = False

    @property
    def model_failed(self) -> bool:
        """Whether the last call of the model failed, or it is not called because it is down."""
        return self._model_failed or self._breakers[None].is_open

    @property
    def breakers(self) -> dict[str, bool]:
        """Which models are left in peace: the agent's own, those that readers chose instead."""
        states = {
            self._names[model] if model is not None else "model": breaker.is_open
            for model, breaker in self._breakers.items()
        }
        if self._rewriter is not None:
            states["rewriting model"] = self._rewriter.is_open
        return states

    def search_early(self, question: str, quoted: str | None, context: RequestContext) -> None:
        """Search for the question as it is before its thread is known, beside the database."""
        if courtesy(question) is None:
            query = about_reading(question, quoted, context.page, opening=True) or question
            self._begin_search(query, context)

    async def answer(
        self,
        agent: Agent[Any],
        thread: ThreadMetadata,
        input_user_message: UserMessageItem | None,
        context: RequestContext,
    ) -> AsyncIterator[ThreadStreamEvent]:
        turn = context.running_turn
        turn.check()
        items = turn.items
        if items is None:
            page = await self._store.load_thread_items(thread.id, None, HISTORY, "desc", context)
            # What this turn has done so far is stored at its end; the model is told of it now.
            stored = {item.id for item in page.data}
            items = [turn.record.unsaved.get(item.id, item) for item in page.data[::-1]]
            items += [item for item in turn.record.unsaved.values() if item.id not in stored]
        asked = input_user_message or next(
            (item for item in reversed(items) if isinstance(item, UserMessageItem)), None
        )
        passages = None
        if asked is not None and courtesy(text_of(asked)) is None:
            inquiry = turn.inquiry = await self._inquire(asked, items, context)
            passages = page_note(context.page)
            try:
                hits = await self._first_search(inquiry, context)
            except ConnectionError as error:
                logger.warning("search failed, answering without it: %s", error)
                if self._fallback is None or turn.quotes is not None:
                    raise CustomStreamError(
                        "The docs can't be searched right now. Try again soon.", allow_retry=True
                    ) from error
                yield NoticeEvent(
                    level="warning",
                    message="The docs can't be searched right now: this answer has no sources.",
                )
            else:
                found = self._render(hits, context.number(hits))
                notes = (query_note(inquiry), verdict_note(inquiry), passages)
                passages = "\n".join([found, *filter(None, notes)])
            turn.mark("search")

        attached = recent_attachments(items) if self._files is not None else []
        files = await self._files.read(attached) if self._files is not None and attached else None
        agent_input = await model_input(
            items, budget=self._history_tokens, passages=passages, files=files
        )

        def agent_context() -> AgentContext[RequestContext]:
            return AgentContext(
                thread=thread,
                store=cast("Any", TurnMemory(self._store, items, turn)),
                request_context=context,
            )

        turn.check()
        if turn.quotes is not None and self._fallback is not None:
            yield NoticeEvent(level="info", message=turn.quotes)
            async for event in self._run(self._fallback, agent_context(), agent_input, turn):
                yield event
            return
        turn.mark("model")
        said_something = False
        options = asked.inference_options if asked is not None else InferenceOptions()
        chosen = self._offers.model(options)
        if chosen is agent.model:
            chosen = None
        if input_user_message is not None:
            # What goes on after a tool's output or a form has begun already.
            agent = self._offers.begin_with_tool(agent, options)
        try:
            with self._breakers[chosen].call() as works:
                async for event in self._run(agent, agent_context(), agent_input, turn, chosen):
                    works()
                    said_something = said_something or says_something(event)
                    yield event
                if not said_something:
                    raise ModelBehaviorError("the answer is empty")
        except Exception as error:
            shown = said_something or any(text_of(item) for item in turn.record.pending.values())
            if shown and (ending := cut_off(error)):
                yield NoticeEvent(level="info", message=ending)
                return
            if chosen is None:
                self._model_failed = is_outage(error)
            if self._fallback is None or shown or not is_outage(error):
                raise explain(error, shown=bool(shown)) or error from error
            # Of the error only its kind: a provider may quote the conversation in it.
            kind = f"{type(error).__name__} {getattr(error, 'status_code', '')}".strip()
            logger.warning("the model failed (%s), quoting the docs instead", kind)
            notice = f"{reason(error)} This answer only quotes the docs."
        else:
            if chosen is None:
                self._model_failed = False
            turn.by_model = not isinstance(chosen or agent.model, QuotingModel)
            return
        turn.count("fallbacks")
        for item in (*turn.record.pending.values(), *turn.record.unsaved.values()):
            if isinstance(item, AssistantMessageItem):
                yield ThreadItemRemovedEvent(item_id=item.id)
        yield NoticeEvent(level="warning", message=notice)
        async for event in self._run(self._fallback, agent_context(), agent_input, turn):
            yield event

    async def _run(
        self,
        agent: Agent[Any],
        context: AgentContext[RequestContext],
        agent_input: list[TResponseInputItem],
        turn: Turn,
        model: Model | None = None,
    ) -> AsyncIterator[ThreadStreamEvent]:
        """One run of an agent as events for the reader, cited and with ids of ours."""
        quotes = isinstance(model or agent.model, QuotingModel)
        meter = Meter()
        name = turn.answered_by = "quotes" if quotes else name_of(model or agent.model)

        def call_ended(seconds: float, ending: Ending) -> None:
            self._observer.call_ended(name, seconds, ending)

        watch = Watch(turn, meter, None if quotes else call_ended, name)
        turn.result = result = Runner.run_streamed(
            agent,
            agent_input,
            context=context,
            max_turns=_MAX_STEPS,
            hooks=watch,
            # Without the group, the Agents SDK sends a random cache key for every run.
            run_config=replace(self._run_config, model=model, group_id=context.thread.id),
        )
        run = cast("RunResultStreaming", Run(result))
        citer = Citer(
            turn.sources,
            lambda kind: self._store.generate_item_id(
                cast("Any", kind), context.thread, context.request_context
            ),
            site_url=self._site_url,
        )
        try:
            async for event in citer.rewrite(in_steps(stream_agent_response(context, run))):
                if isinstance(event, ThreadItemUpdatedEvent) and (
                    isinstance(event.update, AssistantMessageContentPartTextDelta)
                ):
                    meter.write(event.update.delta)
                yield event
        except Exception:
            # The SDK leaves a task behind that waits for the next event of a tool: here is one.
            await context.stream(ProgressUpdateEvent(text=""))
            raise
        finally:
            if turn.result is result:
                # What comes after it is interrupted where it waits.
                turn.result = None
            turn.count("citations", citer.citations)
            watch.cut("stopped" if turn.hung_up or turn.timed_out else "failed")
            # Quotes cost nothing.
            if not quotes:
                meter.cut(stopped=turn.hung_up or turn.timed_out)
                self._spend(meter, name, context.request_context)
        if turn.timed_out and not turn.hung_up:
            raise CustomStreamError("The answer took too long and was cut off.", allow_retry=True)
        turn.check()

    def _spend(self, meter: Meter, model: str, context: RequestContext) -> None:
        self._allowance.spend(context.user_id, meter.total)
        context.running_turn.use(model, meter.input_tokens, meter.output_tokens)

    async def _inquire(
        self, asked: UserMessageItem, items: Sequence[ThreadItem], context: RequestContext
    ) -> Inquiry:
        """What to look for: the question, in full words where it leans on the conversation."""
        turn = context.running_turn
        question = text_of(asked)
        opening = all(item.id == asked.id for item in items if isinstance(item, UserMessageItem))
        read = about_reading(question, asked.quoted_text, context.page, opening=opening)
        query = read or complete(question, items)
        wording: Wording = "asked"
        if query != question:
            wording = "completed"
            if read is None and self._rewriter is not None and turn.quotes is None:
                meter = Meter()
                try:
                    rewritten = await self._rewriter.rewrite(items, meter)
                finally:
                    # Stopped in the middle, it has cost something too.
                    self._spend(meter, self._rewriter.model_name, context)
                    turn.mark("rewrite")
                if rewritten is not None:
                    query, wording = rewritten, "rewritten"
        return Inquiry(asked.id, question, query, wording, place(context.page))

    def _begin_search(self, query: str, context: RequestContext) -> asyncio.Task[Sequence[Hit]]:
        turn = context.running_turn
        turn.searched = query
        turn.search = asyncio.create_task(self._find(query, context))
        return turn.search

    async def _find(self, query: str, context: RequestContext) -> Sequence[Hit]:
        if not query.strip():
            return []
        return await self._search(query, version=context.version, locale=context.locale)

    async def _first_search(self, inquiry: Inquiry, context: RequestContext) -> Sequence[Hit]:
        """What the search that runs since the request came in finds; anew for another query."""
        turn = context.running_turn
        if turn.search is not None and inquiry.query != turn.searched:
            turn.search.cancel()
            turn.search = None
            turn.count("searches")
        search = turn.search or self._begin_search(inquiry.query, context)
        turn.count("searches")
        try:
            return await search
        except asyncio.CancelledError:
            if turn.hung_up:
                raise
            raise CustomStreamError("The search took too long.", allow_retry=True) from None

    async def rehearse(self, model: Model) -> None:
        """Answer once for nobody, without the store, so that the first reader need not wait.

        What is imported, compiled and connected on first use takes half a second.
        """
        thread = ThreadMetadata(id="rehearsal", created_at=datetime.now(UTC))
        context = RequestContext("rehearsal", turn=Turn("rehearsal"))
        message = UserMessageItem(
            id="rehearsal",
            thread_id=thread.id,
            created_at=thread.created_at,
            content=[UserMessageTextContent(text="How do I start?")],
            attachments=[],
            inference_options=InferenceOptions(),
        )
        context.running_turn.items = [message, message]
        agent = Agent[Any](name="rehearsal", instructions="", model=model)
        async for event in self.answer(agent, thread, message, context):
            event.model_dump_json(by_alias=True, exclude_none=True)
