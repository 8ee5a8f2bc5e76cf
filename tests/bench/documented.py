"""The server that the ChatKit SDK's guide describes, to measure beside ours.

    DATABASE_URL=... OPENAI_BASE_URL=... python -m tests.bench.documented PORT

Written anew after the guide "Respond to a user message": one statement for each method of the
store, `StreamingResponse` on what `process` gives. Kinder than the guide in three points: its
store blocks the event loop, connects anew for each call and opens a transaction for it; here it is
an asynchronous pool in autocommit.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from agents import Agent, ModelSettings, OpenAIResponsesModel, RunConfig, Runner
from chatkit.agents import AgentContext, simple_to_agent_input, stream_agent_response
from chatkit.server import ChatKitServer, StreamingResult
from chatkit.store import NotFoundError, Store
from chatkit.types import (
    Attachment,
    Page,
    ThreadItem,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
)
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from openai import AsyncOpenAI
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool
from pydantic import TypeAdapter

_ITEM: TypeAdapter[ThreadItem] = TypeAdapter(ThreadItem)
_SCHEMA = """
    create table if not exists threads (
        id text primary key, user_id text not null, created_at timestamptz not null,
        data jsonb not null
    );
    create table if not exists items (
        id text primary key, thread_id text not null references threads (id) on delete cascade,
        user_id text not null, created_at timestamptz not null, data jsonb not null
    );
    create index if not exists items_of_thread on items (thread_id, created_at);
"""


@dataclass
class Visitor:
    user_id: str


class DocumentedStore(Store[Visitor]):
    """One statement for each method."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool

    async def _ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(query.encode(), values)
            return await cursor.fetchall() if cursor.description else []

    async def load_thread(self, thread_id: str, context: Visitor) -> ThreadMetadata:
        found = await self._ask(
            "select data from threads where id = %s and user_id = %s", thread_id, context.user_id
        )
        if not found:
            raise NotFoundError(thread_id)
        return ThreadMetadata.model_validate(found[0][0])

    async def save_thread(self, thread: ThreadMetadata, context: Visitor) -> None:
        await self._ask(
            "insert into threads values (%s, %s, %s, %s)"
            " on conflict (id) do update set data = excluded.data",
            thread.id,
            context.user_id,
            thread.created_at,
            Jsonb(thread.model_dump(mode="json")),
        )

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: Visitor
    ) -> Page[ThreadItem]:
        beyond = ">" if order == "asc" else "<"
        place = (
            f"and created_at {beyond} (select created_at from items where id = %s)" if after else ""
        )
        rows = await self._ask(
            f"select data from items where thread_id = %s and user_id = %s {place}"
            f" order by created_at {'asc' if order == 'asc' else 'desc'} limit %s",
            *(thread_id, context.user_id, *([after] if after else []), limit + 1),
        )
        items = [_ITEM.validate_python(data) for (data,) in rows[:limit]]
        more = len(rows) > limit
        return Page(data=items, has_more=more, after=items[-1].id if more else None)

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: Visitor) -> None:
        await self.save_item(thread_id, item, context)

    async def save_item(self, thread_id: str, item: ThreadItem, context: Visitor) -> None:
        await self._ask(
            "insert into items values (%s, %s, %s, %s, %s)"
            " on conflict (id) do update set data = excluded.data",
            item.id,
            thread_id,
            context.user_id,
            item.created_at,
            Jsonb(item.model_dump(mode="json")),
        )

    async def load_item(self, thread_id: str, item_id: str, context: Visitor) -> ThreadItem:
        found = await self._ask(
            "select data from items where id = %s and user_id = %s", item_id, context.user_id
        )
        if not found:
            raise NotFoundError(item_id)
        return _ITEM.validate_python(found[0][0])

    async def delete_thread_item(self, thread_id: str, item_id: str, context: Visitor) -> None:
        await self._ask(
            "delete from items where id = %s and user_id = %s", item_id, context.user_id
        )

    async def delete_thread(self, thread_id: str, context: Visitor) -> None:
        await self._ask(
            "delete from threads where id = %s and user_id = %s", thread_id, context.user_id
        )

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: Visitor
    ) -> Page[ThreadMetadata]:
        raise NotImplementedError

    async def save_attachment(self, attachment: Attachment, context: Visitor) -> None:
        raise NotImplementedError

    async def load_attachment(self, attachment_id: str, context: Visitor) -> Attachment:
        raise NotImplementedError

    async def delete_attachment(self, attachment_id: str, context: Visitor) -> None:
        raise NotImplementedError


class DocumentedServer(ChatKitServer[Visitor]):
    def __init__(self, store: DocumentedStore, agent: Agent[Any]) -> None:
        super().__init__(store)
        self._agent = agent

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: Visitor
    ) -> AsyncIterator[ThreadStreamEvent]:
        page = await self.store.load_thread_items(thread.id, None, 20, "desc", context)
        agent_context: AgentContext[Visitor] = AgentContext(
            thread=thread, store=self.store, request_context=context
        )
        result = Runner.run_streamed(
            self._agent,
            await simple_to_agent_input(page.data[::-1]),
            context=agent_context,
            # The model of the bench keeps no traces.
            run_config=RunConfig(tracing_disabled=True),
        )
        async for event in stream_agent_response(agent_context, result):
            yield event


def create_app() -> FastAPI:
    client = AsyncOpenAI(api_key="none")
    model = OpenAIResponsesModel("offered", client)
    agent = Agent[Any](
        name="docs",
        instructions="Answer from the docs.",
        model=model,
        model_settings=ModelSettings(store=False),
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncConnectionPool(
            os.environ["DATABASE_URL"],
            kwargs={"autocommit": True, "prepare_threshold": None},
            min_size=1,
            max_size=10,
            open=False,
        ) as pool:
            async with pool.connection() as connection:
                await connection.execute(_SCHEMA)
            app.state.server = DocumentedServer(DocumentedStore(pool), agent)
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/chatkit")
    async def chatkit(request: Request) -> Response:
        context = Visitor(request.headers["x-session-id"])
        result = await request.app.state.server.process(await request.body(), context)
        if isinstance(result, StreamingResult):
            return StreamingResponse(result, media_type="text/event-stream")
        return Response(content=result.json, media_type="application/json")

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        return {"status": "ok"}

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("port", type=int)
    options = parser.parse_args()
    uvicorn.run(create_app(), port=options.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
