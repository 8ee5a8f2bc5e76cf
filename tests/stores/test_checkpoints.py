"""What a turn leaves while it runs: checkpoints, fences, stops from elsewhere, retries."""

from dataclasses import dataclass
from typing import Any

import pytest
from chatkit.store import NotFoundError

from chatkit_stores import PostgresStore, TurnLostError
from tests.fixtures.flights import Flights
from tests.fixtures.postgres import ADA, BOB, rows
from tests.stores.items import answer, question, thread


@dataclass(frozen=True)
class TurnContext:
    """A context that belongs to a turn."""

    turn_id: str
    user_id: str = "ada"


async def ids(store: PostgresStore) -> list[str]:
    page = await store.load_thread_items("thr_1", None, 100, "asc", ADA)
    return [item.id for item in page.data]


async def let_the_lease_end(dsn: str) -> None:
    past = "update chatkit.threads set lease_until = now() - interval '1 second' returning id"
    assert await rows(dsn, past)


async def test_a_checkpoint_stores_the_partial_answer_and_the_end_completes_it(
    store: PostgresStore,
) -> None:
    await store.begin_turn("turn", thread(), question("msg_1"), context=ADA)

    first = await store.checkpoint_turn("turn", "thr_1", items=[answer("m", "Set")], context=ADA)
    partial = await store.load_item("thr_1", "m", ADA)
    await store.finish_turn("turn", "thr_1", items=[answer("m", "Set it.")], context=ADA)

    assert first == "running"
    assert partial == answer("m", "Set")
    assert await store.load_item("thr_1", "m", ADA) == answer("m", "Set it.")
    assert await ids(store) == ["msg_1", "m"]


async def test_a_checkpoint_that_comes_late_changes_nothing(
    store: PostgresStore, direct_url: str
) -> None:
    await store.begin_turn("turn_1", thread(), question("msg_1"), context=ADA)
    await store.finish_turn("turn_1", "thr_1", items=[answer("m", "Whole.")], context=ADA)

    late: dict[str, Any] = {
        "items": [answer("m", "Wh"), answer("other")],
        "removed": ["msg_1"],
        "context": ADA,
    }
    after_the_end = await store.checkpoint_turn("turn_1", "thr_1", **late)
    await store.begin_turn("turn_2", "thr_1", question("msg_2"), context=ADA)
    after_the_next = await store.checkpoint_turn("turn_1", "thr_1", **late)

    assert (after_the_end, after_the_next) == (None, None)
    assert await store.load_item("thr_1", "m", ADA) == answer("m", "Whole.")
    assert await ids(store) == ["msg_1", "m", "msg_2"]


async def test_what_a_turn_takes_back_is_gone(store: PostgresStore) -> None:
    await store.begin_turn("turn", thread(), question("msg_1"), context=ADA)
    await store.checkpoint_turn("turn", "thr_1", items=[answer("a"), answer("b")], context=ADA)

    await store.checkpoint_turn("turn", "thr_1", removed=["a"], context=ADA)
    await store.finish_turn("turn", "thr_1", removed=["b"], items=[answer("c")], context=ADA)

    assert await ids(store) == ["msg_1", "c"]


async def test_a_turn_takes_back_only_what_it_has_added(store: PostgresStore) -> None:
    await store.begin_turn("turn_1", thread(), question("msg_1"), context=ADA)
    await store.finish_turn("turn_1", "thr_1", items=[answer("old")], context=ADA)
    await store.begin_turn("turn_2", "thr_1", question("msg_2"), context=ADA)

    await store.finish_turn("turn_2", "thr_1", removed=["old", "msg_1"], context=ADA)

    assert await ids(store) == ["msg_1", "old", "msg_2"]


async def test_a_stop_from_elsewhere_reaches_the_turn_at_its_next_checkpoint(
    store: PostgresStore,
) -> None:
    await store.begin_turn("turn_1", thread(), question("msg_1"), context=ADA)

    before = await store.checkpoint_turn("turn_1", "thr_1", context=ADA)
    asked = await store.stop_turn("thr_1", context=ADA)
    after = await store.checkpoint_turn("turn_1", "thr_1", context=ADA)
    await store.finish_turn("turn_1", "thr_1", state="stopped", context=ADA)
    nothing_runs = await store.stop_turn("thr_1", context=ADA)
    await store.begin_turn("turn_2", "thr_1", question("msg_2"), context=ADA)
    next_turn = await store.checkpoint_turn("turn_2", "thr_1", context=ADA)

    assert (before, asked, after) == ("running", "turn_1", "stopping")
    assert nothing_runs is None
    assert next_turn == "running"


async def test_a_turn_learns_that_it_is_read_elsewhere(store: PostgresStore) -> None:
    await store.begin_turn("turn_1", thread(), question("msg_1"), context=ADA)
    await store.load_turn("thr_1", context=ADA)
    unread = await store.checkpoint_turn("turn_1", "thr_1", context=ADA)
    await store.load_turn("thr_1", follow=True, context=ADA)
    read = await store.checkpoint_turn("turn_1", "thr_1", context=ADA)
    await store.stop_turn("thr_1", context=ADA)
    stopped = await store.checkpoint_turn("turn_1", "thr_1", context=ADA)
    await store.finish_turn("turn_1", "thr_1", context=ADA)
    await store.begin_turn("turn_2", "thr_1", question("msg_2"), context=ADA)

    assert (unread, read, stopped) == ("running", "followed", "stopping")
    assert await store.checkpoint_turn("turn_2", "thr_1", context=ADA) == "running"


async def test_nobody_else_stops_or_sees_a_turn(store: PostgresStore) -> None:
    await store.begin_turn("turn", thread(), question("msg_1"), context=ADA)

    for call in (store.stop_turn, store.load_turn):
        for thread_id, context in (("thr_1", BOB), ("thr_none", ADA)):
            with pytest.raises(NotFoundError):
                await call(thread_id, context=context)

    assert await store.checkpoint_turn("turn", "thr_1", context=BOB) is None
    assert await store.checkpoint_turn("turn", "thr_1", context=ADA) == "running"


async def test_the_last_turn_is_seen_with_what_it_has_added(
    store: PostgresStore, direct_url: str
) -> None:
    await store.save_thread(thread(), ADA)
    never = await store.load_turn("thr_1", context=ADA)
    await store.begin_turn("turn_1", "thr_1", question("msg_1"), context=ADA)
    await store.finish_turn("turn_1", "thr_1", items=[answer("m1")], context=ADA)
    ended = await store.load_turn("thr_1", context=ADA)
    await store.begin_turn("turn_2", "thr_1", question("msg_2"), context=ADA)
    await store.checkpoint_turn("turn_2", "thr_1", items=[answer("m2", "So f")], context=ADA)
    running = await store.load_turn("thr_1", context=ADA)
    await let_the_lease_end(direct_url)
    dead = await store.load_turn("thr_1", context=ADA)

    assert (never.turn_id, never.state, never.items) == (None, None, [])
    assert (ended.turn_id, ended.state) == ("turn_1", "completed")
    assert [item.id for item in ended.items] == ["msg_1", "m1"]
    assert (running.turn_id, running.state) == ("turn_2", "running")
    assert running.items == [question("msg_2"), answer("m2", "So f")]
    assert (dead.turn_id, dead.state) == ("turn_2", "interrupted")


async def test_a_turn_is_seen_to_its_end_though_a_later_one_has_begun(
    store: PostgresStore,
) -> None:
    await store.begin_turn("turn_1", thread(), question("msg_1"), context=ADA)
    await store.finish_turn("turn_1", "thr_1", items=[answer("m1", "Whole.")], context=ADA)
    await store.begin_turn("turn_2", "thr_1", question("msg_2"), context=ADA)

    view = await store.load_turn("thr_1", "turn_1", context=ADA)

    assert (view.turn_id, view.state) == ("turn_2", "running")
    assert view.items == [question("msg_1"), answer("m1", "Whole.")]
    with pytest.raises(NotFoundError):
        await store.load_turn("thr_1", "turn_1", context=BOB)


async def test_a_turn_whose_server_died_is_closed_once_before_the_next_message(
    store: PostgresStore, direct_url: str
) -> None:
    await store.begin_turn("turn_1", thread(), question("msg_1"), context=ADA)
    await store.checkpoint_turn("turn_1", "thr_1", items=[answer("m1", "So f")], context=ADA)
    await let_the_lease_end(direct_url)

    for number in (2, 3):
        started = await store.begin_turn(
            f"turn_{number}",
            "thr_1",
            question(f"msg_{number}"),
            interruption=answer(f"cut_{number}"),
            context=ADA,
        )
        assert started.refusal is None
        await store.finish_turn(f"turn_{number}", "thr_1", context=ADA)

    assert await ids(store) == ["msg_1", "m1", "cut_2", "msg_2", "msg_3"]


async def test_a_turn_that_runs_is_not_closed(store: PostgresStore) -> None:
    await store.begin_turn("turn_1", thread(), question("msg_1"), context=ADA)

    refused = await store.begin_turn(
        "turn_2", "thr_1", question("msg_2"), interruption=answer("cut"), context=ADA
    )

    assert refused.refusal == "busy"
    assert await ids(store) == ["msg_1"]


async def test_writes_of_a_paused_turn_fail_once_a_later_one_has_taken_over(
    store: PostgresStore, direct_url: str
) -> None:
    paused = TurnContext("turn_1")
    await store.begin_turn("turn_1", thread(), question("msg_1"), context=paused)
    await store.add_thread_item("thr_1", answer("mine"), paused)
    await let_the_lease_end(direct_url)
    await store.begin_turn("turn_2", "thr_1", question("msg_2"), context=ADA)

    late = thread(title="Late")
    for write in (
        lambda: store.add_thread_item("thr_1", answer("late"), paused),
        lambda: store.save_item("thr_1", answer("mine", "late"), paused),
        lambda: store.delete_thread_item("thr_1", "mine", paused),
        lambda: store.save_thread(late, paused),
        lambda: store.update_thread("thr_1", {"title": "Late"}, context=paused),
    ):
        with pytest.raises(TurnLostError, match="thr_1"):
            await write()

    assert await ids(store) == ["msg_1", "mine", "msg_2"]
    assert await store.load_item("thr_1", "mine", ADA) == answer("mine")
    assert (await store.load_thread("thr_1", ADA)).title is None
    # Who is in no turn, a rename or an administrator, may write at any time.
    assert (await store.update_thread("thr_1", {"title": "New"}, context=ADA)).title == "New"


async def four_turns(store: PostgresStore) -> None:
    await store.save_thread(thread(), ADA)
    for number in range(4):
        turn = f"turn_{number}"
        await store.begin_turn(turn, "thr_1", question(f"q{number}"), context=ADA)
        await store.finish_turn(turn, "thr_1", items=[answer(f"a{number}")], context=ADA)


async def test_a_retry_keeps_the_old_answer_until_it_ends(store: PostgresStore) -> None:
    await four_turns(store)
    await store.add_feedback("thr_1", ["a1", "a0"], "positive", context=ADA)

    started = await store.begin_turn("again", "thr_1", None, retry="q1", context=ADA)
    await store.checkpoint_turn("again", "thr_1", items=[answer("new", "Ne")], context=ADA)
    meanwhile = await ids(store)
    await store.finish_turn(
        "again", "thr_1", items=[answer("new")], replace_after="q1", context=ADA
    )

    assert [item.id for item in started.items] == ["q0", "a0", "q1"]
    assert meanwhile == ["q0", "a0", "q1", "a1", "q2", "a2", "q3", "a3", "new"]
    assert await ids(store) == ["q0", "a0", "q1", "new"]


async def test_a_retry_that_fails_leaves_the_old_answer(store: PostgresStore) -> None:
    await four_turns(store)

    await store.begin_turn("again", "thr_1", None, retry="q3", context=ADA)
    await store.finish_turn("again", "thr_1", state="failed", context=ADA)

    assert (await ids(store))[-2:] == ["q3", "a3"]


async def test_what_a_retry_replaces_is_told_also_to_who_comes_at_its_end(
    store: PostgresStore,
) -> None:
    """Who read the thread before and begins to follow it now has the old answer."""
    await four_turns(store)
    await store.begin_turn("again", "thr_1", None, retry="q2", context=ADA)
    running = await store.load_turn("thr_1", context=ADA)
    await store.finish_turn(
        "again", "thr_1", items=[answer("new")], replace_after="q2", context=ADA
    )
    ended = await store.load_turn("thr_1", context=ADA)
    await store.begin_turn("failing", "thr_1", None, retry="q2", context=ADA)
    await store.finish_turn("failing", "thr_1", state="failed", context=ADA)
    failed = await store.load_turn("thr_1", context=ADA)

    assert running.replaced == ended.replaced == ["a2", "q3", "a3"]
    assert "new" not in failed.replaced


async def test_a_late_checkpoint_of_a_retry_that_failed_leaves_the_old_answer(
    store: PostgresStore,
) -> None:
    await four_turns(store)
    await store.begin_turn("again", "thr_1", None, retry="q3", context=ADA)
    await store.finish_turn("again", "thr_1", state="failed", context=ADA)

    late: dict[str, Any] = {"items": [answer("new", "Ne")], "replace_after": "q3"}
    assert await store.checkpoint_turn("again", "thr_1", **late, context=ADA) is None

    assert (await ids(store))[-2:] == ["q3", "a3"]


async def test_a_retry_deletes_the_feedback_on_what_it_replaces(
    store: PostgresStore, direct_url: str
) -> None:
    await four_turns(store)
    await store.add_feedback("thr_1", ["a0", "a3"], "negative", context=ADA)

    await store.begin_turn("again", "thr_1", None, retry="q3", context=ADA)
    await store.finish_turn("again", "thr_1", replace_after="q3", context=ADA)

    assert await rows(direct_url, "select item_id from chatkit.feedback") == [("a0",)]


async def test_only_a_message_of_the_user_is_retried(store: PostgresStore) -> None:
    await four_turns(store)

    answered = await store.begin_turn("again", "thr_1", None, retry="a1", context=ADA)
    for unknown in ("none", "\0"):
        with pytest.raises(NotFoundError):
            await store.begin_turn("again", "thr_1", None, retry=unknown, context=ADA)

    assert answered.refusal == "not_a_message"
    view = await store.load_turn("thr_1", context=ADA)
    assert (view.turn_id, view.state) == ("turn_3", "completed")


async def test_a_retry_that_lost_its_thread_deletes_nothing(
    store: PostgresStore, direct_url: str
) -> None:
    await four_turns(store)
    await store.begin_turn("again", "thr_1", None, retry="q0", context=ADA)
    await let_the_lease_end(direct_url)
    await store.begin_turn("later", "thr_1", question("q4"), context=ADA)

    late = await store.finish_turn("again", "thr_1", replace_after="q0", context=ADA)

    assert late is None
    assert len(await ids(store)) == 9


async def test_the_retry_of_the_first_of_400_messages_takes_two_round_trips(
    database_url: str,
) -> None:
    async with Flights.to(database_url) as flights, PostgresStore.open(flights.dsn) as store:
        await store.save_thread(thread(), ADA)
        await store.begin_turn("old", "thr_1", question("first"), context=ADA)
        items = [answer(f"m{number}") for number in range(399)]
        await store.finish_turn("old", "thr_1", items=items, context=ADA)

        flights.reset()
        started = await store.begin_turn("again", "thr_1", None, retry="first", context=ADA)
        await store.finish_turn(
            "again", "thr_1", items=[answer("new")], replace_after="first", context=ADA
        )

        assert flights.count == 2
        assert [item.id for item in started.items] == ["first"]
        assert await ids(store) == ["first", "new"]


async def test_checkpoint_stop_and_view_take_one_round_trip_each(database_url: str) -> None:
    async with Flights.to(database_url) as flights, PostgresStore.open(flights.dsn) as store:
        await store.begin_turn("turn", thread(), question("msg_1"), context=ADA)
        flights.reset()

        await store.checkpoint_turn("turn", "thr_1", items=[answer("a")], context=ADA)
        await store.stop_turn("thr_1", context=ADA)
        await store.load_turn("thr_1", context=ADA)

    assert flights.count == 3


async def test_a_retry_whose_server_dies_leaves_one_answer(
    store: PostgresStore, direct_url: str
) -> None:
    await store.begin_turn("turn_1", thread(), question("q1"), context=ADA)
    await store.finish_turn("turn_1", "thr_1", items=[answer("old")], context=ADA)
    await store.begin_turn("turn_2", "thr_1", None, retry="q1", context=ADA)

    await store.checkpoint_turn("turn_2", "thr_1", context=ADA)
    before = await ids(store)
    partial: dict[str, Any] = {"items": [answer("new", "Bec")], "replace_after": "q1"}
    await store.checkpoint_turn("turn_2", "thr_1", **partial, context=ADA)

    assert before == ["q1", "old"]
    assert await ids(store) == ["q1", "new"]

    await let_the_lease_end(direct_url)
    await store.begin_turn("turn_3", "thr_1", question("q2"), context=ADA)
    late: dict[str, Any] = {"items": [answer("late")], "replace_after": "q1", "context": ADA}
    assert await store.checkpoint_turn("turn_2", "thr_1", **late) is None
    assert await ids(store) == ["q1", "new", "q2"]
