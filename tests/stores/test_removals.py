"""Threads of a user or of an age, deleted with all that belongs to them, and nothing else."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from chatkit.store import NotFoundError
from chatkit.types import ThreadMetadata

from chatkit_stores import PostgresStore, Selection
from tests.fixtures.postgres import ADA, BOB, User, execute, rows
from tests.stores.items import answer, file_attachment, question

# Tokens are counted by the day.
pytestmark = pytest.mark.usefixtures("one_day")

NOW = datetime.now(UTC)
OLD = Selection(unused_for=timedelta(days=90))
# As the store counts the days, wherever the machine is.
TODAY = "(now() at time zone 'utc')::date"
TABLES = ("items", "feedback", "attachments", "unanswered", "usage")


async def fill(
    store: PostgresStore, user: User, thread_id: str, *, made: int, used: int | None = None
) -> None:
    """A thread of so many days ago with everything that a thread may have."""
    made_at = NOW - timedelta(days=made)
    used_at = NOW - timedelta(days=made if used is None else used)
    await store.save_thread(ThreadMetadata(id=thread_id, created_at=made_at, title="T"), user)
    asked = question(f"msg_{thread_id}", thread_id=thread_id).model_copy(
        update={"created_at": made_at}
    )
    said = answer(f"ans_{thread_id}", "Nul \0 nul", thread_id=thread_id).model_copy(
        update={"created_at": used_at}
    )
    file = file_attachment(attachment_id=f"atc_{thread_id}")
    await store.save_attachment(file.model_copy(update={"thread_id": thread_id}), user)
    gap = {"item": asked.id, "kind": "not_covered", "asked_at": NOW, "question": "Why?"}
    turn = f"turn_{thread_id}"
    await store.begin_turn(turn, thread_id, asked, context=user)
    await store.finish_turn(turn, thread_id, items=[said], gap=gap, context=user)
    await store.add_feedback(thread_id, [said.id], "positive", context=user)
    await store.add_usage({user.user_id: 5})


async def left(database_url: str, *, user: User | None = None) -> dict[str, int]:
    """How many rows each table has, of a user or of all."""
    found = {}
    for table in TABLES:
        of = f"where user_id = '{user.user_id}'" if user else "where user_id <> ''"
        [(count,)] = await rows(database_url, f"select count(*) from chatkit.{table} {of}")
        found[table] = count
    return found


async def deleted(store: PostgresStore, selection: Selection) -> int:
    return sum([count async for count in store.delete_threads(selection)])


async def titles(store: PostgresStore, user: User) -> list[str]:
    return [thread.id for thread in (await store.load_threads(50, None, "asc", user)).data]


async def test_threads_go_by_when_they_were_used_last(store: PostgresStore) -> None:
    await fill(store, ADA, "thr_old", made=200)
    await fill(store, ADA, "thr_used", made=200, used=2)
    await fill(store, ADA, "thr_new", made=1)
    await store.save_thread(
        ThreadMetadata(id="thr_empty", created_at=NOW - timedelta(days=100)), BOB
    )

    assert await deleted(store, OLD) == 2

    assert await titles(store, ADA) == ["thr_used", "thr_new"]
    assert await titles(store, BOB) == []
    assert await deleted(store, OLD) == 0


async def test_everything_of_a_thread_goes_and_nothing_of_others(
    store: PostgresStore, database_url: str
) -> None:
    await fill(store, ADA, "thr_old", made=200)
    await fill(store, ADA, "thr_new", made=1)
    await fill(store, BOB, "thr_bob", made=200)

    chosen = Selection(user_id="ada", thread_ids=["thr_old", "thr_bob"])
    assert await deleted(store, chosen) == 1

    one_each = dict.fromkeys(TABLES, 1) | {"items": 2}
    assert await left(database_url, user=ADA) == one_each
    assert await left(database_url, user=BOB) == one_each
    assert await titles(store, BOB) == ["thr_bob"]
    with pytest.raises(NotFoundError):
        await store.load_thread("thr_old", ADA)
    with pytest.raises(NotFoundError):
        await store.add_thread_item("thr_old", question("msg_late"), ADA)


async def test_files_with_bytes_are_marked_for_their_removal(
    store: PostgresStore, database_url: str
) -> None:
    await fill(store, ADA, "thr_old", made=200)
    await execute(database_url, "update chatkit.attachments set upload = 'up'")

    await deleted(store, OLD)

    assert await store.condemned_attachments(limit=10) == ["atc_thr_old"]
    kept = await rows(database_url, "select data::text from chatkit.attachments")
    assert kept == [("null",)]


async def test_a_turn_that_runs_keeps_an_old_thread(store: PostgresStore) -> None:
    await fill(store, ADA, "thr_old", made=200)
    # A turn that has added nothing yet, such as a retry.
    await store.begin_turn("turn_2", "thr_old", None, retry="msg_thr_old", lease=60, context=ADA)

    assert await deleted(store, OLD) == 0

    assert await store.finish_turn("turn_2", "thr_old", context=ADA) is not None
    assert await deleted(store, OLD) == 1


async def test_a_turn_ends_whose_user_is_erased_in_the_middle(
    store: PostgresStore, database_url: str
) -> None:
    await fill(store, BOB, "thr_bob", made=1)
    await fill(store, ADA, "thr_1", made=1)
    await store.begin_turn("turn_2", "thr_1", question("msg_2"), context=ADA)

    assert await store.erase_user(context=ADA) == 1

    late = answer("ans_2")
    assert await store.checkpoint_turn("turn_2", "thr_1", items=[late], context=ADA) is None
    assert await store.finish_turn("turn_2", "thr_1", items=[late], context=ADA) is None
    # Today's tokens are counted on.
    assert await left(database_url, user=ADA) == dict.fromkeys(TABLES, 0) | {"usage": 1}
    assert await left(database_url, user=BOB) == dict.fromkeys(TABLES, 1) | {"items": 2}
    assert await rows(database_url, "select id, user_id from chatkit.threads where deleted") == [
        ("thr_1", "")
    ]


async def test_a_journal_brings_nothing_back_of_an_erased_user(
    store: PostgresStore, database_url: str
) -> None:
    await fill(store, ADA, "thr_1", made=1)
    unknown = ThreadMetadata(id="thr_journal", created_at=datetime.now(UTC))
    await store.erase_user(context=ADA)

    said = question("msg_9", thread_id="thr_journal")
    known = await store.restore_turn("turn_1", "thr_1", items=[answer("ans_9")], context=ADA)
    made = await store.restore_turn("turn_9", unknown, items=[said], context=ADA)
    others = await store.restore_turn("turn_8", unknown, items=[said], context=BOB)

    assert (known, made, others) == ("rejected", "unknown", "stored")
    assert await titles(store, ADA) == []
    assert await left(database_url, user=ADA) == dict.fromkeys(TABLES, 0) | {"usage": 1}


async def test_an_erased_user_may_begin_anew(store: PostgresStore) -> None:
    await fill(store, ADA, "thr_1", made=1)
    await store.erase_user(context=ADA)
    later = ThreadMetadata(id="thr_2", created_at=datetime.now(UTC))

    message = question("msg_2", thread_id="thr_2")
    await store.begin_turn("turn_2", later, message, context=ADA)

    assert await titles(store, ADA) == ["thr_2"]


@pytest.mark.parametrize("nobody", [None, ""])
async def test_who_is_nobody_gets_and_deletes_nothing(
    store: PostgresStore, nobody: str | None
) -> None:
    await fill(store, ADA, "thr_ada", made=1)
    context = User(cast("str", nobody))

    with pytest.raises(ValueError, match="names no user"):
        await anext(store.dump_user(context=context))
    with pytest.raises(ValueError, match="names no user"):
        await store.erase_user(context=context)

    assert await titles(store, ADA) == ["thr_ada"]


async def test_earlier_deletions_of_an_erased_user_name_nobody(
    store: PostgresStore, database_url: str
) -> None:
    await fill(store, ADA, "thr_1", made=1)
    await store.delete_thread("thr_1", ADA)
    await store.save_attachment(file_attachment(), ADA)
    await execute(database_url, f"insert into chatkit.usage values ({TODAY} - 2, 'ada', 7)")

    await store.erase_user(context=ADA)

    named = "select count(*) from chatkit.threads where user_id = 'ada'"
    assert await rows(database_url, named) == [(0,)]
    assert await left(database_url, user=ADA) == dict.fromkeys(TABLES, 0) | {"usage": 1}


async def test_many_threads_go_in_batches_that_two_servers_share(
    store: PostgresStore, database_url: str
) -> None:
    await execute(
        database_url,
        "insert into chatkit.threads (id, user_id, created_at)"
        " select 'thr_' || n, 'ada', now() - interval '100 days' from generate_series(1, 950) n",
        "insert into chatkit.threads (id, user_id, created_at)"
        " select 'thr_new_' || n, 'ada', now() from generate_series(1, 3) n",
        "insert into chatkit.items (id, thread_id, user_id, kind, data)"
        " select 'msg_' || n, 'thr_' || n, 'ada', 'end_of_turn', '{}'"
        " from generate_series(1, 950) n",
    )
    async with PostgresStore.open(database_url) as other:
        one, two = await asyncio.gather(
            _batches(store, OLD),
            _batches(other, OLD),
        )

    assert sum(one) + sum(two) == 950
    assert max(one + two) <= 100
    assert await rows(database_url, "select count(*) from chatkit.items") == [(0,)]
    assert len(await titles(store, ADA)) == 3


async def _batches(store: PostgresStore, selection: Selection) -> list[int]:
    return [count async for count in store.delete_threads(selection)]


async def test_the_place_of_a_deleted_thread_is_given_up_after_a_month(
    store: PostgresStore, database_url: str
) -> None:
    for thread_id in ("thr_long_ago", "thr_by_an_old_server", "thr_lately", "thr_kept"):
        await fill(store, ADA, thread_id, made=40)
    for thread_id in ("thr_long_ago", "thr_by_an_old_server", "thr_lately"):
        await store.delete_thread(thread_id, ADA)
    await execute(
        database_url,
        "update chatkit.threads set deleted_at = now() - interval '31 days'"
        " where id = 'thr_long_ago'",
        "update chatkit.threads set deleted_at = null where id = 'thr_by_an_old_server'",
        "insert into chatkit.erasures values ('bob', now() - interval '4 days'), ('eve', now())",
        f"insert into chatkit.usage select {TODAY} - 3, name, 1"
        " from unnest(array['ada', 'bob']) name",
    )

    assert await store.forget_deleted() == 1

    found = await rows(
        database_url, "select id, deleted_at is null from chatkit.threads order by id"
    )
    assert found == [("thr_by_an_old_server", False), ("thr_kept", True), ("thr_lately", False)]
    assert await rows(database_url, "select user_id from chatkit.erasures") == [("eve",)]
    usage = f"select user_id from chatkit.usage where day < {TODAY}"
    assert await rows(database_url, usage) == [("ada",)]


async def test_places_are_dated_and_given_up_some_at_a_time(
    store: PostgresStore, database_url: str
) -> None:
    await execute(
        database_url,
        "insert into chatkit.threads (id, user_id, created_at, deleted, deleted_at)"
        " select 'thr_' || n, 'ada', now(), true,"
        " case when n > 250 then now() - interval '31 days' end"
        " from generate_series(1, 500) n",
    )

    assert await store.forget_deleted() == 250

    left = "select count(*), count(deleted_at) from chatkit.threads"
    assert await rows(database_url, left) == [(250, 250)]


async def test_one_server_at_a_time_does_a_chore(store: PostgresStore, database_url: str) -> None:
    # Not at the very first start.
    assert not await store.take_chore("tidy", "one", pause=3600)
    await execute(database_url, "update chatkit.chores set done_at = now() - interval '2 hours'")

    taken = await asyncio.gather(
        *(store.take_chore("tidy", holder, pause=3600) for holder in ("one", "two", "three"))
    )

    assert sorted(taken) == [False, False, True]
    winner = ("one", "two", "three")[taken.index(True)]
    loser = "two" if winner != "two" else "one"
    assert await store.take_chore("tidy", winner, pause=3600)
    assert await store.keep_chore("tidy", winner)
    assert not await store.keep_chore("tidy", loser)
    # Whoever died in the middle of it leaves it to others.
    await execute(database_url, "update chatkit.chores set held_until = now()")
    assert await store.take_chore("tidy", loser, pause=3600)
    assert not await store.keep_chore("tidy", winner)
    await store.end_chore("tidy", winner)
    await store.end_chore("tidy", loser)
    assert not await store.take_chore("tidy", loser, pause=3600)
