"""What somebody is told who follows an answer of another replica."""

from __future__ import annotations

from collections.abc import AsyncIterator

from chatkit.types import ThreadItemDoneEvent

from chatkit_server.following import tell
from chatkit_stores import PostgresStore
from chatkit_stores.turns import TurnView
from tests.fixtures.postgres import ADA
from tests.stores.items import answer, question, thread


async def test_an_answer_is_told_whole_though_the_next_turn_has_begun(database_url: str) -> None:
    """As where a client answers a call of a tool at once."""
    async with PostgresStore.open(database_url) as store:
        await store.begin_turn("turn_1", thread(), question("q1"), context=ADA)
        await store.checkpoint_turn("turn_1", "thr_1", items=[answer("a1", "Ha")], context=ADA)

        async def views() -> AsyncIterator[TurnView]:
            await store.finish_turn("turn_1", "thr_1", items=[answer("a1", "Half.")], context=ADA)
            await store.begin_turn("turn_2", "thr_1", question("q2"), context=ADA)
            yield await store.load_turn("thr_1", "turn_1", context=ADA)

        first = await store.load_turn("thr_1", context=ADA)
        events = [event async for event in tell(first, views())]

    assert events[-1] == ThreadItemDoneEvent(item=answer("a1", "Half."))
    assert "q2" not in str(events)
