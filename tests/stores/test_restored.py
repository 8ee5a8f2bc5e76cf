"""Turns that took place without the database are stored once, and bring nothing back to life."""

import asyncio
from typing import Any

import pytest
from chatkit.types import LockedStatus, ThreadItem

from chatkit_stores import PostgresStore
from tests.fixtures.flights import Flights
from tests.fixtures.postgres import ADA, rows
from tests.stores.items import answer, file_attachment, items_of_every_kind, question, thread


async def texts(store: PostgresStore) -> dict[str, str]:
    page = await store.load_thread_items("thr_1", None, 100, "asc", ADA)
    return {item.id: item.content[0].text for item in page.data}  # type: ignore[union-attr]


async def everything(dsn: str) -> list[list[tuple[Any, ...]]]:
    return [
        await rows(dsn, f"select t::text from chatkit.{table} t order by seq")
        for table in ("threads", "items")
    ]


async def test_a_thread_that_was_made_meanwhile(store: PostgresStore) -> None:
    asked = await store.restore_turn(
        "turn_1", thread(), items=[question("q1")], state="interrupted", context=ADA
    )
    answered = await store.restore_turn(
        "turn_1",
        thread(),
        items=[answer("a1")],
        changes={"metadata": {"k": 1}},
        default_title="Why?",
        context=ADA,
    )
    more = await store.restore_turn(
        "turn_2", "thr_1", items=[question("q2"), answer("a2")], default_title="Two", context=ADA
    )

    assert (asked, answered, more) == ("stored", "stored", "stored")
    assert list(await texts(store)) == ["q1", "a1", "q2", "a2"]
    found = await store.load_thread("thr_1", ADA)
    assert (found.title, found.metadata, found.created_at) == (
        "Why?",
        {"k": 1},
        thread().created_at,
    )
    assert (await store.load_turn("thr_1", context=ADA)).state == "completed"
    started = await store.begin_turn("turn_3", "thr_1", question("q3"), context=ADA)
    assert started.refusal is None


@pytest.mark.parametrize("text", ["null\0byte", "long " * 20])
async def test_items_of_every_kind(store: PostgresStore, text: str) -> None:
    items = list(items_of_every_kind(text))

    assert await store.restore_turn("turn", thread(), items=items, context=ADA) == "stored"

    page = await store.load_thread_items("thr_1", None, 100, "asc", ADA)
    assert page.data == items


async def test_files_belong_to_the_thread_then(store: PostgresStore, direct_url: str) -> None:
    attached = file_attachment("notes.txt")
    await store.save_attachment(attached, ADA)
    asked = question("q").model_copy(update={"attachments": [attached]})

    assert await store.restore_turn("turn", thread(), items=[asked], context=ADA) == "stored"

    sent = await rows(direct_url, "select id, thread_id from chatkit.attachments")
    assert sent == [(attached.id, "thr_1")]


async def test_a_second_time_changes_nothing(store: PostgresStore, direct_url: str) -> None:
    turn: dict[str, Any] = {
        "items": [question("q1"), answer("a1")],
        "default_title": "Why?",
        "changes": {"metadata": {"k": 1}},
        "context": ADA,
    }
    await store.restore_turn("turn_1", thread(), **turn)
    await store.begin_turn("turn_2", "thr_1", question("q2"), context=ADA)
    await store.finish_turn(
        "turn_2", "thr_1", changes={"title": "Mine", "metadata": {}}, context=ADA
    )
    before = await everything(direct_url)

    assert await store.restore_turn("turn_1", thread(), **turn) == "stored"

    assert await everything(direct_url) == before


async def test_two_at_once_store_it_once(store: PostgresStore) -> None:
    items: list[ThreadItem] = [question("q1"), *(answer(f"a{n}") for n in range(10))]
    for number in range(5):
        done = await asyncio.gather(
            *(
                store.restore_turn("turn", thread(f"thr_{number}"), items=renamed, context=ADA)
                for renamed in [
                    [item.model_copy(update={"id": f"{item.id}_{number}"}) for item in items]
                ]
                * 4
            )
        )

        assert done == ["stored"] * 4
        page = await store.load_thread_items(f"thr_{number}", None, 100, "asc", ADA)
        assert [item.id for item in page.data] == [f"{item.id}_{number}" for item in items]


async def test_one_whose_reply_was_lost_is_stored_once(direct_url: str) -> None:
    async with Flights.to(direct_url) as flights, PostgresStore.open(flights.dsn) as store:
        await store.ping()
        flights.lose_next_answer()

        done = await store.restore_turn("turn", thread(), items=[question("q")], context=ADA)

        assert (done, flights.lost, list(await texts(store))) == ("stored", 1, ["q"])


async def test_a_checkpoint_is_completed_in_its_place_and_the_thread_let_go(
    store: PostgresStore,
) -> None:
    await store.begin_turn("turn", thread(), question("q"), context=ADA)
    await store.checkpoint_turn(
        "turn", "thr_1", items=[answer("a", "Be"), answer("b")], context=ADA
    )

    await store.restore_turn(
        "turn",
        "thr_1",
        items=[answer("a", "Because.")],
        removed=["b"],
        state="stopped",
        changes={"title": "T"},
        context=ADA,
    )

    assert await texts(store) == {"q": "Why?", "a": "Because."}
    assert (await store.load_turn("thr_1", context=ADA)).state == "stopped"
    assert (await store.load_thread("thr_1", ADA)).title == "T"
    after = await store.begin_turn("turn_2", "thr_1", question("q2"), context=ADA)
    assert after.refusal is None


async def test_also_after_a_later_turn_has_come(store: PostgresStore, direct_url: str) -> None:
    await store.begin_turn("turn", thread(), question("q"), context=ADA)
    await store.checkpoint_turn("turn", "thr_1", items=[answer("a", "Be")], context=ADA)
    await rows(direct_url, "update chatkit.threads set lease_until = now() - '1s'::interval "
        "returning id")  # fmt: skip
    await store.begin_turn("turn_2", "thr_1", question("q2"), context=ADA)

    done = await store.restore_turn(
        "turn",
        "thr_1",
        items=[answer("a", "Because."), answer("a2")],
        state="failed",
        changes={"title": "T", "status": LockedStatus()},
        context=ADA,
    )

    assert done == "stored"
    assert await texts(store) == {"q": "Why?", "a": "Because.", "q2": "Why?", "a2": "Because."}
    # Beside its question.
    assert list(await texts(store)) == ["q", "a", "a2", "q2"]
    # The later turn goes on as if nothing had been.
    assert (await store.load_turn("thr_1", context=ADA)).state == "running"
    assert await store.checkpoint_turn("turn_2", "thr_1", context=ADA) == "running"
    found = await store.load_thread("thr_1", ADA)
    assert (found.title, found.status.type) == (None, "active")


async def test_an_answer_that_comes_late_stands_beside_its_question(
    store: PostgresStore, direct_url: str
) -> None:
    """As where one replica lost the database, and the next question went to another."""
    await store.begin_turn("turn", thread(), question("q"), context=ADA)
    await rows(direct_url, "update chatkit.threads set lease_until = now() - '1s'::interval "
        "returning id")  # fmt: skip
    marker = answer("marker")
    await store.begin_turn("turn_2", "thr_1", question("q2"), interruption=marker, context=ADA)
    await store.finish_turn("turn_2", "thr_1", items=[answer("a2"), answer("b2")], context=ADA)
    late: dict[str, Any] = {"items": [answer("a"), answer("b")], "context": ADA}

    for _ in range(2):
        assert await store.restore_turn("turn", "thr_1", **late) == "stored"
        assert list(await texts(store)) == ["q", "marker", "a", "b", "q2", "a2", "b2"]

    # What comes then comes last, and a page goes on where it was.
    await store.begin_turn("turn_3", "thr_1", question("q3"), context=ADA)
    page = await store.load_thread_items("thr_1", "b", 100, "asc", ADA)
    assert [item.id for item in page.data] == ["q2", "a2", "b2", "q3"]


async def test_a_retry_replaces_only_while_nothing_has_come_after_it(store: PostgresStore) -> None:
    await store.begin_turn("turn", thread(), question("q"), context=ADA)
    await store.finish_turn("turn", "thr_1", items=[answer("old")], context=ADA)
    await store.begin_turn("turn_2", "thr_1", None, retry="q", context=ADA)
    retried: dict[str, Any] = {"items": [answer("new")], "replace_after": "q", "context": ADA}

    assert await store.restore_turn("turn_2", "thr_1", **retried) == "stored"
    assert list(await texts(store)) == ["q", "new"]

    await store.begin_turn("turn_3", "thr_1", question("q3"), context=ADA)
    assert await store.restore_turn("turn_2", "thr_1", **retried) == "stored"
    assert list(await texts(store)) == ["q", "new", "q3"]


async def test_an_item_of_another_turn_is_left_as_it_is(store: PostgresStore) -> None:
    await store.begin_turn("turn_1", thread(), question("q"), context=ADA)
    await store.finish_turn("turn_1", "thr_1", items=[answer("a", "First.")], context=ADA)

    done = await store.restore_turn(
        "turn_2", "thr_1", items=[answer("a", "Second.")], removed=["q"], context=ADA
    )

    assert done == "stored"
    assert await texts(store) == {"q": "Why?", "a": "First."}


async def test_what_was_deleted_stays_deleted(store: PostgresStore, direct_url: str) -> None:
    await store.begin_turn("turn", thread(), question("q"), context=ADA)
    await store.checkpoint_turn("turn", "thr_1", items=[answer("a")], context=ADA)
    await store.delete_thread_item("thr_1", "a", ADA)

    done = await store.restore_turn("turn", "thr_1", items=[answer("a"), answer("b")], context=ADA)
    assert (done, list(await texts(store))) == ("rejected", ["q", "b"])

    await store.delete_thread("thr_1", ADA)
    before = await everything(direct_url)
    for place in ("thr_1", thread(title="Back")):
        done = await store.restore_turn(
            "turn", place, items=[question("q"), answer("c")], default_title="T", context=ADA
        )
        assert done == "rejected"
    assert await everything(direct_url) == before


async def test_a_thread_that_never_was_is_unknown(store: PostgresStore, direct_url: str) -> None:
    done = await store.restore_turn("turn", "thr_no", items=[question("q")], context=ADA)

    assert done == "unknown"
    assert await everything(direct_url) == [[], []]
