"""Counts what a retry of the first of 400 messages asks of the database.

python -m tests.bench.retry
"""

from __future__ import annotations

import asyncio
import re
import secrets
from datetime import UTC, datetime

import httpx
import psycopg
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageItem,
    InferenceOptions,
    ThreadItem,
    ThreadMetadata,
    UserMessageItem,
    UserMessageTextContent,
)
from psycopg_pool import AsyncConnectionPool

from chatkit_server.identity import anonymous_user
from chatkit_server.testing import Say, ScriptedModel
from chatkit_stores import PostgresStore
from tests.bench.documented import DocumentedStore, Visitor
from tests.bench.grounds import Grounds, Which, grounds, served
from tests.fixtures.flights import Flights
from tests.fixtures.postgres import User

MESSAGES = 400
_STATEMENT = re.compile(
    r"LOG:  (?:execute [^:]*|statement): *(?!begin|commit|rollback)", re.IGNORECASE
)


def conversation() -> tuple[ThreadMetadata, list[ThreadItem]]:
    thread = ThreadMetadata(id=f"thr_{secrets.token_hex(8)}", created_at=datetime.now(UTC))
    items: list[ThreadItem] = []
    for number in range(MESSAGES):
        name = f"msg_{secrets.token_hex(8)}_{number}"
        if number % 2:
            answer = AssistantMessageContent(text=f"Like this, {number}.")
            items.append(
                AssistantMessageItem(
                    id=name, thread_id=thread.id, created_at=datetime.now(UTC), content=[answer]
                )
            )
        else:
            items.append(
                UserMessageItem(
                    id=name,
                    thread_id=thread.id,
                    created_at=datetime.now(UTC),
                    content=[UserMessageTextContent(text=f"How, {number}?")],
                    attachments=[],
                    inference_options=InferenceOptions(),
                )
            )
    return thread, items


async def store_ours(
    dsn: str, secret: str, thread: ThreadMetadata, items: list[ThreadItem]
) -> None:
    user = anonymous_user(secret)
    assert user is not None
    async with PostgresStore.open(dsn) as store:
        await store.save_thread(thread, User(user))
        for item in items:
            await store.add_thread_item(thread.id, item, User(user))


async def store_documented(
    dsn: str, secret: str, thread: ThreadMetadata, items: list[ThreadItem]
) -> None:
    async with AsyncConnectionPool(dsn, kwargs={"autocommit": True}, open=False) as pool:
        store = DocumentedStore(pool)
        await store.save_thread(thread, Visitor(secret))
        for item in items:
            await store.add_thread_item(thread.id, item, Visitor(secret))


def retry(url: str, secret: str, thread_id: str, item_id: str) -> None:
    params = {"thread_id": thread_id, "item_id": item_id}
    answer = httpx.post(
        f"{url}/chatkit",
        json={"type": "threads.retry_after_item", "params": params},
        headers={"X-Session-Id": secret},
        timeout=60,
    )
    assert "Anew." in answer.text, answer.text
    assert '"type":"error"' not in answer.text, answer.text


async def count(which: Which, where: Grounds, model_url: str) -> tuple[int, int]:
    """Statements and round trips of the retry."""
    secret = secrets.token_hex(24)
    thread, items = conversation()
    async with Flights.to(where.dsn, delay=0.005) as flights:
        serving = served(which, flights.dsn, model_url, where.folder)
        url, _ = await asyncio.to_thread(serving.__enter__)
        try:
            store = store_ours if which == "ours" else store_documented
            await store(where.dsn, secret, thread, items)
            flights.reset()
            before = len(_STATEMENT.findall(where.log.read_text()))
            await asyncio.to_thread(retry, url, secret, thread.id, items[0].id)
            # A flight's answer is on its way a little longer than the turn's.
            await asyncio.sleep(0.2)
            return len(_STATEMENT.findall(where.log.read_text())) - before, flights.count
        finally:
            await asyncio.to_thread(serving.__exit__, None, None, None)


async def measure(where: Grounds, model_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(where.dsn, autocommit=True) as connection:
        await connection.execute("alter system set log_statement = 'all'")
        await connection.execute("select pg_reload_conf()")
    servers: tuple[Which, ...] = ("ours", "documented")
    for which in servers:
        statements, trips = await count(which, where, model_url)
        print(
            f"retry of the first of {MESSAGES} messages, {which}:"
            f" {statements} statements in {trips} round trips"
        )


def main() -> None:
    with grounds() as where, ScriptedModel(Say("Anew.")) as model:
        asyncio.run(measure(where, model.base_url))


if __name__ == "__main__":
    main()
