"""More at once than there are connections: readers wait, or ask again, and nothing said is lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from chatkit.types import (
    InferenceOptions,
    ThreadMetadata,
    UserMessageItem,
    UserMessageTextContent,
)
from psycopg_pool import AsyncConnectionPool

from chatkit_server.allowance import Allowance
from chatkit_server.context import RequestContext
from chatkit_server.errors import RequestError
from chatkit_server.journal import Journal
from chatkit_server.journaled import JournaledStore
from chatkit_server.lease import TurnStart
from chatkit_server.turn import Turn
from chatkit_stores import PostgresStore
from chatkit_stores.database import Database
from tests.fixtures.pool import end_patience, wait_for_queue, wait_for_stat

NOW = datetime.now(UTC)


class Crowd:
    """A store with one connection, which others have while somebody asks."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool
        self.store = PostgresStore(Database(pool))

    @asynccontextmanager
    async def around(
        self, ask: Callable[[], Awaitable[TurnStart]]
    ) -> AsyncIterator[asyncio.Task[TurnStart]]:
        """Somebody is answered while `ask` waits, and then another one has the connection for so
        long that the pool gives up, which it is told here; until the block ends."""
        held, may_end = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            async with self._pool.connection():
                held.set()
                await may_end.wait()

        async def work() -> TurnStart:
            return await ask()

        async with asyncio.TaskGroup() as others:
            async with self._pool.connection():
                answered = others.create_task(self.store.ping())
                await wait_for_queue(self._pool, 1)
                others.create_task(hold())
                await wait_for_queue(self._pool, 2)
                asked = asyncio.create_task(work())
                await wait_for_queue(self._pool, 3)
            await answered
            await held.wait()
            await end_patience(self._pool)
            await wait_for_stat(self._pool, "requests_errors", 1)
            yield asked
            may_end.set()


@pytest.fixture
async def crowd(database_url: str) -> AsyncIterator[Crowd]:
    async with AsyncConnectionPool(
        database_url, kwargs={"autocommit": True}, min_size=1, max_size=1, timeout=60.0
    ) as pool:
        yield Crowd(pool)


def asking(
    store: PostgresStore, journal: Journal | None = None
) -> Callable[[], Awaitable[TurnStart]]:
    journaled = JournaledStore(store, {}, Allowance(store.add_usage).judge, journal)
    context = RequestContext("ada")
    turn = context.turn = Turn("threads.create")
    message = UserMessageItem(
        id="msg_1",
        thread_id="thr_1",
        created_at=NOW,
        content=[UserMessageTextContent(text="Why?")],
        inference_options=InferenceOptions(),
    )
    return lambda: journaled.begin_turn(
        turn.id,
        ThreadMetadata(id="thr_1", created_at=NOW),
        message,
        retry=None,
        interruption=None,
        history=60,
        lease=10.0,
        context=context,
    )


async def test_a_question_waits_while_others_are_answered(crowd: Crowd) -> None:
    async with crowd.around(asking(crowd.store)) as asked:
        pass

    assert (await asked).refusal is None
    assert (await crowd.store.load_thread("thr_1", RequestContext("ada"))).id == "thr_1"


async def test_a_question_that_waited_in_vain_may_be_asked_again(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkit_stores.turns._TRIES_TO_BEGIN", 1)
    async with crowd.around(asking(crowd.store)) as asked:
        with pytest.raises(RequestError, match="Try again") as refused:
            await asked

    assert (refused.value.status, refused.value.retry_after) == (503, 5)
    assert not crowd.store.is_away
    # And is kept then.
    assert (await asking(crowd.store)()).refusal is None


async def test_with_a_journal_it_is_answered_and_kept_there(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("chatkit_stores.turns._TRIES_TO_BEGIN", 1)
    with Journal.open(tmp_path) as journal:
        async with crowd.around(asking(crowd.store, journal)) as asked:
            assert (await asked).items

        assert journal.holds("thr_1")
