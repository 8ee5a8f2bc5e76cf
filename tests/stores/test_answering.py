"""The switch of the whole site, and what is counted by the day."""

import asyncio

import pytest
from chatkit.store import NotFoundError

from chatkit_stores import Answering, PostgresStore
from tests.fixtures.postgres import ADA, BOB, execute, rows
from tests.stores.items import question, thread

# Tokens are counted by the day.
pytestmark = pytest.mark.usefixtures("one_day")


async def test_a_turn_finds_the_switch_and_what_was_used(store: PostgresStore) -> None:
    await store.add_usage({"ada": 100, "bob": 20})
    await store.add_usage({"ada": 3})
    await store.set_answering("quotes", "Back at noon.")

    started = await store.begin_turn("turn_1", thread(), question("msg_1"), context=ADA)

    assert started.refusal is None
    assert started.answering == Answering("quotes", "Back at noon.", 103, 123)
    assert await store.load_answering() == Answering("quotes", "Back at noon.", 123, 123)


async def test_while_it_is_off_no_turn_begins_and_nothing_is_written(
    store: PostgresStore, database_url: str
) -> None:
    await store.begin_turn("turn_1", thread(), question("msg_1"), context=ADA)
    await store.finish_turn("turn_1", "thr_1", context=ADA)
    await store.set_answering("off")
    before = await rows(database_url, "select * from chatkit.threads, chatkit.items")

    turns = [
        store.begin_turn(
            "turn_2", thread("thr_2"), question("msg_2", thread_id="thr_2"), context=ADA
        ),
        store.begin_turn("turn_3", "thr_1", question("msg_3"), context=ADA),
        store.begin_turn("turn_4", "thr_1", None, retry="msg_1", context=ADA),
        store.begin_turn("turn_5", "thr_1", None, context=ADA),
        store.begin_turn("turn_6", "thr_1", question("msg_6"), context=BOB),
    ]
    for turn in turns:
        started = await turn
        assert (started.refusal, started.items) == ("off", [])
        assert started.thread.title is None

    assert await rows(database_url, "select * from chatkit.threads, chatkit.items") == before
    await store.set_answering("on")
    started = await store.begin_turn("turn_3", "thr_1", question("msg_3"), context=ADA)
    assert (started.refusal, len(started.items)) == (None, 2)
    with pytest.raises(NotFoundError):
        await store.begin_turn("turn_6", "thr_1", question("msg_6"), context=BOB)


async def test_running_turns_are_asked_to_stop(store: PostgresStore) -> None:
    await store.begin_turn("turn_1", thread(), question("msg_1"), context=ADA)
    assert await store.checkpoint_turn("turn_1", "thr_1", context=ADA) == "running"

    await store.set_answering("off")

    assert await store.checkpoint_turn("turn_1", "thr_1", context=ADA) == "stopping"
    assert await store.finish_turn("turn_1", "thr_1", state="stopped", context=ADA) is not None


async def test_usage_is_counted_by_the_day_and_forgotten(
    store: PostgresStore, database_url: str
) -> None:
    await store.add_usage({"ada": 5})
    await execute(
        database_url,
        "update chatkit.usage set day = day - 1",
        "insert into chatkit.usage values ((now() at time zone 'utc')::date - 31, 'old', 1)",
    )

    await store.add_usage({"ada": 7})

    started = await store.begin_turn("turn_1", thread(), question("msg_1"), context=ADA)
    assert (started.answering.user_tokens, started.answering.tokens) == (7, 7)
    assert await rows(database_url, "select user_id from chatkit.usage where user_id = 'old'") == []


async def test_servers_that_count_at_once_lose_nothing(store: PostgresStore) -> None:
    users = [f"user_{number}" for number in range(5)]
    await asyncio.gather(
        *(store.add_usage(dict.fromkeys(users[n % 3 :], 1)) for n in range(30)),
        *(store.add_usage(dict.fromkeys(reversed(users), 1)) for n in range(10)),
    )

    assert (await store.load_answering()).tokens == 10 * (5 + 4 + 3) + 50
