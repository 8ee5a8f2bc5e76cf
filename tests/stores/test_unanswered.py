"""What the docs did not answer is kept with its question, and goes with it."""

from typing import Any

import pytest
from chatkit.types import ThreadItem

from chatkit_stores import PostgresStore
from tests.fixtures.flights import Flights
from tests.fixtures.postgres import ADA, BOB, execute
from tests.stores.items import answer, question, thread


def gap(item: str = "q1", asked: str = "Is it blue?", **values: Any) -> dict[str, Any]:
    return {
        "item": item,
        "asked_at": "2999-01-01T00:00:00+00:00",
        "kind": "not_covered",
        "question": asked,
        **values,
    }


async def begin(store: PostgresStore, turn: str = "turn_1", item: str = "q1") -> None:
    await store.begin_turn(turn, thread(), question(item), context=ADA)


async def finish(store: PostgresStore, turn: str = "turn_1", **values: Any) -> None:
    values = {"items": [answer(f"a_{turn}")], "gap": gap(), **values}
    assert await store.finish_turn(turn, "thr_1", context=ADA, **values) is not None


async def kept(store: PostgresStore) -> list[tuple[str, str]]:
    return [(found.kind, found.data["question"]) for found in await store.load_unanswered()]


@pytest.mark.parametrize("text", ["Is it blue?", "null\0byte", "half \ud800 of an emoji"])
async def test_a_gap_is_kept_with_its_turn(store: PostgresStore, text: str) -> None:
    await begin(store)

    await finish(store, gap=gap(asked=text, nearest=[{"url": text}], confidence=0.25))

    [found] = await store.load_unanswered()
    assert (found.kind, found.asked_at.year) == ("not_covered", 2999)
    assert found.data == {"question": text, "nearest": [{"url": text}], "confidence": 0.25}


async def test_it_costs_no_round_trip(store: PostgresStore, database_url: str) -> None:
    await begin(store)
    async with (
        Flights.to(database_url, delay=0.005) as flights,
        PostgresStore.open(flights.dsn) as distant,
    ):
        await distant.ping()
        flights.reset()

        await finish(distant)

        assert flights.count == 1
    assert await kept(store) == [("not_covered", "Is it blue?")]


async def test_a_lost_answer_of_the_database_keeps_it_once(
    store: PostgresStore, database_url: str
) -> None:
    await begin(store)
    async with (
        Flights.to(database_url, delay=0.005) as flights,
        PostgresStore.open(flights.dsn) as distant,
    ):
        await distant.ping()
        flights.lose_next_answer()

        await finish(distant)

        assert flights.lost == 1
    assert await kept(store) == [("not_covered", "Is it blue?")]


async def test_it_goes_with_its_thread_and_with_its_question(store: PostgresStore) -> None:
    await begin(store)
    await finish(store)
    await begin(store, "turn_2", "q2")
    await finish(store, "turn_2", gap=gap("q2", "And red?"))

    await store.delete_thread_item("thr_1", "q1", ADA)
    assert await kept(store) == [("not_covered", "And red?")]
    await store.delete_thread("thr_1", ADA)
    assert await kept(store) == []


async def test_a_deleted_question_leaves_no_gap_behind(store: PostgresStore) -> None:
    await begin(store)
    await store.delete_thread_item("thr_1", "q1", ADA)

    await finish(store)

    assert await kept(store) == []


async def test_a_new_answer_takes_the_place_of_the_old_one(store: PostgresStore) -> None:
    await begin(store)
    await finish(store)
    await begin(store, "turn_2", "q2")
    await finish(store, "turn_2", gap=gap("q2", "And red?"))
    await store.begin_turn("turn_3", "thr_1", None, retry="q1", context=ADA)

    await finish(store, "turn_3", gap=None, replace_after="q1")

    assert await kept(store) == []


async def test_a_retry_without_a_better_answer_keeps_one(store: PostgresStore) -> None:
    await begin(store)
    await finish(store)
    await store.begin_turn("turn_2", "thr_1", None, retry="q1", context=ADA)

    await finish(store, "turn_2", gap=gap(kind="not_cited"), replace_after="q1")

    assert await kept(store) == [("not_cited", "Is it blue?")]


async def test_a_turn_that_has_lost_its_thread_keeps_nothing(store: PostgresStore) -> None:
    await begin(store)
    await finish(store, gap=None)
    await begin(store, "turn_2", "q2")

    late = await store.finish_turn("turn_1", "thr_1", gap=gap(), context=ADA)

    assert late is None
    assert await kept(store) == []


async def test_nobody_keeps_one_at_somebody_elses_question(store: PostgresStore) -> None:
    await begin(store)
    await store.begin_turn("turn_bob", thread("thr_bob"), question("q_bob"), context=BOB)

    await store.finish_turn("turn_bob", "thr_bob", gap=gap("q1"), context=BOB)
    await store.restore_turn("turn_bob", "thr_bob", gap=gap("q1"), context=BOB)
    await store.finish_turn("turn_1", "thr_1", gap=gap("q1"), context=BOB)
    assert await kept(store) == []

    await finish(store)
    await store.restore_turn("turn_bob", "thr_1", gap=gap("q1", "Bob's"), context=BOB)
    await store.restore_turn(
        "turn_bob", "thr_bob", replace_after="q1", items=[answer("a_bob")], context=BOB
    )
    assert await kept(store) == [("not_covered", "Is it blue?")]


async def test_a_turn_that_comes_late_brings_its_gap(store: PostgresStore) -> None:
    items: list[ThreadItem] = [question("q1"), answer("a1")]

    for _ in range(2):
        done = await store.restore_turn("turn_1", thread(), items=items, gap=gap(), context=ADA)
        assert done == "stored"

    assert await kept(store) == [("not_covered", "Is it blue?")]


async def test_the_newest_come_first_and_old_ones_are_left_out(
    store: PostgresStore, database_url: str
) -> None:
    for number in range(4):
        await begin(store, f"turn_{number}", f"q{number}")
        await finish(store, f"turn_{number}", gap=gap(f"q{number}", f"{number}?"))
    await execute(
        database_url,
        "update chatkit.unanswered"
        " set asked_at = now() - interval '2 days' * substr(item_id, 2)::int",
    )

    found = await store.load_unanswered(days=5)

    assert [one.data["question"] for one in found] == ["0?", "1?", "2?"]
    assert len(await store.load_unanswered(days=30, limit=2)) == 2
