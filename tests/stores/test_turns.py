"""Turns: one at a time on a thread, in one round trip at each end, and safe to repeat."""

import asyncio
from datetime import datetime, timedelta

import psycopg
import pytest
from chatkit.store import NotFoundError
from chatkit.types import ActiveStatus, ClosedStatus, LockedStatus

from chatkit_stores import PostgresStore
from tests.fixtures.flights import Flights
from tests.fixtures.postgres import ADA, rows
from tests.stores.items import answer, question, thread


async def test_a_new_thread_starts_with_its_message(store: PostgresStore) -> None:
    started = await store.begin_turn("turn_1", thread(title="T\0"), question("msg_1"), context=ADA)

    assert started.refusal is None
    assert started.thread == thread(title="T\0") == await store.load_thread("thr_1", ADA)
    assert started.items == [question("msg_1")]
    assert (await store.load_thread_items("thr_1", None, 5, "asc", ADA)).data == started.items


async def test_a_turn_reads_the_newest_items_oldest_first(store: PostgresStore) -> None:
    await store.save_thread(thread(), ADA)
    for number in range(8):
        await store.add_thread_item("thr_1", answer(f"msg_{number}"), ADA)
    await store.delete_thread_item("thr_1", "msg_7", ADA)

    started = await store.begin_turn("turn", "thr_1", question("msg_new"), history=4, context=ADA)

    assert [item.id for item in started.items] == ["msg_4", "msg_5", "msg_6", "msg_new"]


async def test_a_turn_may_start_without_a_message(store: PostgresStore) -> None:
    await store.begin_turn("turn_1", thread(), question("msg_1"), context=ADA)
    await store.finish_turn("turn_1", "thr_1", context=ADA)

    started = await store.begin_turn("turn_2", "thr_1", None, context=ADA)

    assert (started.refusal, started.items) == (None, [question("msg_1")])


async def test_of_two_turns_at_once_exactly_one_starts(store: PostgresStore) -> None:
    await store.save_thread(thread(), ADA)

    for number in range(10):
        turns = [f"turn_{number}_a", f"turn_{number}_b"]
        started = await asyncio.gather(
            *(
                store.begin_turn(turn, "thr_1", question(f"msg_{turn}"), context=ADA)
                for turn in turns
            )
        )

        refusals = [start.refusal for start in started]
        assert sorted(refusals, key=str) == [None, "busy"]
        winner = turns[refusals.index(None)]
        stored = await store.load_thread_items("thr_1", None, 100, "asc", ADA)
        assert len(stored.data) == number + 1
        assert stored.data[-1].id == f"msg_{winner}"
        assert await store.finish_turn(winner, "thr_1", context=ADA)


async def test_two_new_threads_of_one_id_at_once_are_one_turn(store: PostgresStore) -> None:
    for name in (f"thr_{number}" for number in range(10)):
        started = await asyncio.gather(
            *(
                store.begin_turn(
                    f"turn_{number}", thread(name), question(f"{name}_{number}"), context=ADA
                )
                for number in range(4)
            )
        )

        assert sorted(str(start.refusal) for start in started) == ["None", "busy", "busy", "busy"]
        assert len((await store.load_thread_items(name, None, 5, "asc", ADA)).data) == 1


async def test_a_turn_that_waited_for_the_last_one_reads_its_answer(
    store: PostgresStore, direct_url: str
) -> None:
    """The finishing turn's row lock is held open by hand until the next turn waits for it."""
    await store.begin_turn("turn_1", thread(), question("msg_1"), context=ADA)
    await _let_the_lease_end(direct_url)
    async with await psycopg.AsyncConnection.connect(direct_url) as finishing:
        pid = finishing.info.backend_pid
        await finishing.execute("update chatkit.threads set lease_until = null")
        data = answer("msg_2").model_dump_json()
        await finishing.execute(
            "insert into chatkit.items (id, thread_id, user_id, kind, data) "
            "values ('msg_2', 'thr_1', 'ada', 'assistant_message', %s)",
            (data,),
        )
        waiting = asyncio.create_task(
            store.begin_turn("turn_2", "thr_1", question("msg_3"), context=ADA)
        )
        blocked = f"select 1 from pg_stat_activity where {pid} = any(pg_blocking_pids(pid))"
        async with asyncio.timeout(60):
            while not await rows(direct_url, blocked):
                assert not waiting.done()
        await finishing.commit()

        started = await waiting

    assert started.refusal is None
    assert [item.id for item in started.items] == ["msg_1", "msg_2", "msg_3"]


@pytest.mark.parametrize("status", [LockedStatus(reason="audit\0"), ClosedStatus(reason=None)])
async def test_a_locked_or_closed_thread_takes_no_turn(
    store: PostgresStore, status: LockedStatus | ClosedStatus
) -> None:
    await store.save_thread(thread().model_copy(update={"status": status}), ADA)

    started = await store.begin_turn("turn", "thr_1", question("msg_1"), context=ADA)

    assert started.refusal == status.type
    assert started.thread.status == status
    assert (await store.load_thread_items("thr_1", None, 5, "asc", ADA)).data == []
    await store.update_thread("thr_1", {"status": ActiveStatus()}, context=ADA)
    again = await store.begin_turn("turn_2", "thr_1", question("msg_1"), context=ADA)
    assert again.refusal is None


async def test_a_busy_thread_stores_nothing(store: PostgresStore) -> None:
    await store.begin_turn("turn_1", thread(), question("msg_1"), context=ADA)

    refused = await store.begin_turn("turn_2", "thr_1", question("msg_2"), context=ADA)

    assert refused.refusal == "busy"
    assert refused.items == [question("msg_1")]
    assert not await store.checkpoint_turn("turn_2", "thr_1", context=ADA)
    assert await store.finish_turn("turn_2", "thr_1", items=[answer("no")], context=ADA) is None
    assert (await store.load_thread_items("thr_1", None, 5, "asc", ADA)).data == refused.items


async def test_an_unknown_thread_takes_no_turn(store: PostgresStore) -> None:
    for thread_id in ("thr_none", "\0"):
        with pytest.raises(NotFoundError):
            await store.begin_turn("turn", thread_id, question("msg_1"), context=ADA)
    assert await store.finish_turn("turn", "thr_none", items=[answer("m")], context=ADA) is None
    assert not await store.checkpoint_turn("turn", "thr_none", context=ADA)


async def test_a_message_that_was_deleted_does_not_come_back(store: PostgresStore) -> None:
    await store.save_thread(thread(), ADA)
    await store.add_thread_item("thr_1", question("msg_1"), ADA)
    await store.delete_thread_item("thr_1", "msg_1", ADA)

    with pytest.raises(NotFoundError, match="msg_1"):
        await store.begin_turn("turn", "thr_1", question("msg_1"), context=ADA)


async def test_a_lease_ends_by_itself_and_the_late_turn_writes_nothing(
    store: PostgresStore, direct_url: str
) -> None:
    await store.begin_turn("turn_1", thread(), question("msg_1"), context=ADA)
    await _let_the_lease_end(direct_url)

    started = await store.begin_turn("turn_2", "thr_1", question("msg_2"), context=ADA)

    assert started.refusal is None
    assert not await store.checkpoint_turn("turn_1", "thr_1", context=ADA)
    late = await store.finish_turn(
        "turn_1", "thr_1", items=[answer("late")], changes={"title": "Late"}, context=ADA
    )
    assert late is None
    assert (await store.load_thread("thr_1", ADA)).title is None
    assert (await store.load_thread_items("thr_1", None, 5, "asc", ADA)).data == started.items
    assert await store.checkpoint_turn("turn_2", "thr_1", context=ADA)


async def test_a_lease_lasts_as_long_as_it_was_asked_for(
    store: PostgresStore, direct_url: str
) -> None:
    async def ask(query: str) -> datetime:
        [(found,)] = await rows(direct_url, query)
        return datetime.fromisoformat(str(found))

    now, held_until = "select clock_timestamp()", "select lease_until from chatkit.threads"
    before = await ask(now)
    await store.begin_turn("turn", thread(), None, lease=40.5, context=ADA)
    between = await ask(now)
    began = await ask(held_until)
    assert await store.checkpoint_turn("turn", "thr_1", lease=90, context=ADA)
    after = await ask(now)
    renewed = await ask(held_until)

    # By the database's clock, whatever time passes here.
    assert before <= began - timedelta(seconds=40.5) <= between
    assert between <= renewed - timedelta(seconds=90) <= after


async def test_an_answer_after_the_lease_is_kept_while_nobody_else_began(
    store: PostgresStore, direct_url: str
) -> None:
    await store.begin_turn("turn", thread(), question("msg_1"), context=ADA)
    await _let_the_lease_end(direct_url)

    assert await store.checkpoint_turn("turn", "thr_1", context=ADA)
    await _let_the_lease_end(direct_url)
    finished = await store.finish_turn("turn", "thr_1", items=[answer("msg_2")], context=ADA)

    assert finished == thread()
    assert await store.load_item("thr_1", "msg_2", ADA) == answer("msg_2")


async def test_finishing_writes_the_answer_and_only_the_changed_fields(
    store: PostgresStore,
) -> None:
    await store.begin_turn("turn", thread(title="Old"), question("msg_1"), context=ADA)
    await store.update_thread("thr_1", {"title": "Renamed meanwhile"}, context=ADA)

    finished = await store.finish_turn(
        "turn",
        "thr_1",
        items=[answer("msg_2", "nul\0l"), answer("msg_3")],
        changes={"metadata": {"seen": 1}},
        context=ADA,
    )

    expected = thread(title="Renamed meanwhile").model_copy(update={"metadata": {"seen": 1}})
    assert finished == expected == await store.load_thread("thr_1", ADA)
    page = await store.load_thread_items("thr_1", None, 5, "asc", ADA)
    assert page.data == [question("msg_1"), answer("msg_2", "nul\0l"), answer("msg_3")]
    started = await store.begin_turn("turn_2", "thr_1", None, context=ADA)
    assert started.refusal is None


async def test_a_deleted_thread_ends_its_turn_without_coming_back(store: PostgresStore) -> None:
    await store.begin_turn("turn", thread(), question("msg_1"), context=ADA)
    await store.delete_thread("thr_1", ADA)

    assert not await store.checkpoint_turn("turn", "thr_1", context=ADA)
    assert await store.finish_turn("turn", "thr_1", items=[answer("msg_2")], context=ADA) is None
    assert (await store.load_threads(5, None, "desc", ADA)).data == []


async def test_an_item_deleted_during_the_turn_stays_deleted(store: PostgresStore) -> None:
    await store.begin_turn("turn", thread(), question("msg_1"), context=ADA)
    await store.add_thread_item("thr_1", answer("msg_2"), ADA)
    await store.delete_thread_item("thr_1", "msg_2", ADA)

    finished = await store.finish_turn(
        "turn", "thr_1", items=[answer("msg_2"), answer("msg_3")], context=ADA
    )

    assert finished is not None
    page = await store.load_thread_items("thr_1", None, 5, "asc", ADA)
    assert [item.id for item in page.data] == ["msg_1", "msg_3"]


async def test_every_call_of_a_turn_may_be_repeated(store: PostgresStore) -> None:
    for _ in range(2):
        started = await store.begin_turn("turn", thread(), question("msg_1"), context=ADA)
        assert (started.refusal, started.items) == (None, [question("msg_1")])
    for _ in range(2):
        finished = await store.finish_turn(
            "turn", "thr_1", items=[answer("msg_2")], changes={"title": "T"}, context=ADA
        )
        assert finished == thread(title="T")
    assert not await store.checkpoint_turn("turn", "thr_1", context=ADA)
    page = await store.load_thread_items("thr_1", None, 5, "asc", ADA)
    assert [item.id for item in page.data] == ["msg_1", "msg_2"]


async def test_a_turn_takes_one_round_trip_at_each_end(database_url: str) -> None:
    async with Flights.to(database_url) as flights, PostgresStore.open(flights.dsn) as store:
        await store.ping()
        taken = {}

        flights.reset()
        await store.begin_turn("turn_1", thread(), question("msg_1"), context=ADA)
        taken["create"] = flights.count

        flights.reset()
        items = [answer(f"msg_1{number}", "word " * 200) for number in range(5)]
        assert await store.finish_turn(
            "turn_1", "thr_1", items=items, changes={"title": "T", "metadata": {}}, context=ADA
        )
        taken["finish"] = flights.count

        flights.reset()
        started = await store.begin_turn("turn_2", "thr_1", question("msg_2"), context=ADA)
        taken["add"] = flights.count

        flights.reset()
        await store.load_thread_items("thr_1", "msg_1", 20, "asc", ADA)
        taken["page"] = flights.count

    assert len(started.items) == 7
    assert taken == {"create": 1, "finish": 1, "add": 1, "page": 1}


async def test_the_count_of_round_trips_sees_each_that_is_waited_for(database_url: str) -> None:
    async with Flights.to(database_url) as flights, PostgresStore.open(flights.dsn) as store:
        await store.ping()
        flights.reset()

        for _ in range(3):
            await store.ping()

    assert flights.count == 3


async def _let_the_lease_end(dsn: str) -> None:
    past = "update chatkit.threads set lease_until = now() - interval '1 second' returning id"
    assert await rows(dsn, past)


async def test_a_turn_is_told_how_the_one_before_it_ended(store: PostgresStore) -> None:
    first = await store.begin_turn("turn_1", thread(), question("q1"), context=ADA)
    await store.finish_turn("turn_1", "thr_1", state="stopped", context=ADA)
    second = await store.begin_turn("turn_2", "thr_1", None, lease=0.0, context=ADA)
    third = await store.begin_turn("turn_3", "thr_1", None, context=ADA)

    # The second one's server has died.
    assert [start.before for start in (first, second, third)] == [None, "stopped", "interrupted"]


async def test_a_retry_that_loses_its_message_while_it_waits_holds_nothing(
    store: PostgresStore, database_url: str
) -> None:
    await store.begin_turn("turn_1", thread(), question("q1"), context=ADA)
    await store.finish_turn("turn_1", "thr_1", state="stopped", context=ADA)
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        # As the end of another retry does, which replaces what comes after its message.
        await other.execute("update chatkit.threads set turn_id = turn_id")
        await other.execute("update chatkit.items set data = null where id = 'q1'")
        retry = asyncio.create_task(
            store.begin_turn("turn_2", "thr_1", None, retry="q1", context=ADA)
        )
        while not await rows(
            database_url,
            "select from pg_stat_activity"
            " where wait_event_type = 'Lock' and datname = current_database()",
        ):
            assert not retry.done()
        await other.commit()

    with pytest.raises(NotFoundError, match="q1"):
        await retry
    following = await store.begin_turn("turn_3", "thr_1", question("q2"), context=ADA)
    assert (following.refusal, following.before) == (None, "stopped")
