"""Items: what `PostgresStore` promises beyond the contract of all stores, and feedback."""

import asyncio

import psycopg
import pytest
from chatkit.store import NotFoundError
from chatkit.types import HiddenContextItem, SDKHiddenContextItem, ThreadItem

from chatkit_stores import PostgresStore, StoreError
from tests.fixtures.postgres import ADA, execute, rows
from tests.stores.items import NOON, answer, question, thread


@pytest.fixture(autouse=True)
async def _thread(store: PostgresStore) -> None:
    await store.save_thread(thread(), ADA)


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_page_starts_after_an_item_that_was_deleted(
    store: PostgresStore, order: str
) -> None:
    names = await _add(store, 11)
    first = await store.load_thread_items("thr_1", None, 4, order, ADA)
    assert first.after == first.data[-1].id
    for item in first.data[-2:]:
        await store.delete_thread_item("thr_1", item.id, ADA)

    rest = await store.load_thread_items("thr_1", first.after, 50, order, ADA)

    expected = names if order == "asc" else names[::-1]
    assert [item.id for item in first.data + rest.data] == expected
    assert (rest.has_more, rest.after) == (False, None)


async def test_a_page_may_start_after_everything(store: PostgresStore) -> None:
    names = await _add(store, 3)

    for order, last in (("asc", names[-1]), ("desc", names[0])):
        page = await store.load_thread_items("thr_1", last, 5, order, ADA)
        assert (page.data, page.has_more, page.after) == ([], False, None)


async def test_adding_twice_replaces_the_item_in_its_place(store: PostgresStore) -> None:
    names = await _add(store, 3)

    await store.add_thread_item("thr_1", answer(names[0], "Better."), ADA)
    await store.save_item("thr_1", answer(names[1], "Best."), ADA)

    page = await store.load_thread_items("thr_1", None, 5, "asc", ADA)
    assert [item.id for item in page.data] == names
    assert page.data[:2] == [answer(names[0], "Better."), answer(names[1], "Best.")]


async def test_an_item_belongs_to_the_thread_that_it_was_added_to(store: PostgresStore) -> None:
    await store.add_thread_item("thr_1", answer("msg_1", thread_id="thr_other"), ADA)

    assert (await store.load_item("thr_1", "msg_1", ADA)).thread_id == "thr_1"


async def test_a_deleted_item_cannot_be_saved_again(store: PostgresStore) -> None:
    await store.add_thread_item("thr_1", answer("msg_1"), ADA)
    await store.delete_thread_item("thr_1", "msg_1", ADA)

    for attempt in (
        store.add_thread_item("thr_1", answer("msg_1"), ADA),
        store.save_item("thr_1", answer("msg_1"), ADA),
    ):
        with pytest.raises(NotFoundError, match="msg_1"):
            await attempt
    assert await _listed(store, "asc") == []


async def test_no_item_survives_a_thread_that_is_deleted_beside_it(
    store: PostgresStore, direct_url: str
) -> None:
    for number in range(12):
        name = f"thr_race_{number}"
        await store.save_thread(thread(name), ADA)
        added, deleted = await asyncio.gather(
            store.add_thread_item(name, answer(f"msg_{name}", thread_id=name), ADA),
            store.delete_thread(name, ADA),
            return_exceptions=True,
        )
        assert deleted is None
        assert added is None or isinstance(added, NotFoundError)

    assert await rows(direct_url, "select id from chatkit.items") == []


async def test_the_last_verdict_on_an_item_counts(store: PostgresStore, direct_url: str) -> None:
    names = await _add(store, 2)

    await store.add_feedback("thr_1", [*names, names[0]], "positive", context=ADA)
    await store.add_feedback("thr_1", names[:1], "negative", context=ADA)

    assert await rows(
        direct_url, "select user_id, item_id, kind from chatkit.feedback order by item_id"
    ) == [("ada", "msg_00", "negative"), ("ada", "msg_01", "positive")]


@pytest.mark.parametrize("unseen", ["msg_none", "hidden", "shcx", "deleted", "elsewhere", "\0"])
async def test_feedback_on_what_cannot_be_seen_is_refused_as_a_whole(
    store: PostgresStore, direct_url: str, unseen: str
) -> None:
    await store.save_thread(thread("thr_2"), ADA)
    await store.add_thread_item("thr_2", answer("elsewhere", thread_id="thr_2"), ADA)
    base = {"thread_id": "thr_1", "created_at": NOON, "content": "secret"}
    hidden: list[ThreadItem] = [
        HiddenContextItem(id="hidden", **base),
        SDKHiddenContextItem(id="shcx", **base),
    ]
    for item in [*hidden, answer("deleted"), question("seen")]:
        await store.add_thread_item("thr_1", item, ADA)
    await store.delete_thread_item("thr_1", "deleted", ADA)

    with pytest.raises(NotFoundError, match="not found"):
        await store.add_feedback("thr_1", ["seen", unseen], "positive", context=ADA)

    assert await rows(direct_url, "select * from chatkit.feedback") == []


async def test_feedback_on_what_goes_at_that_moment_is_not_found(
    store: PostgresStore, direct_url: str
) -> None:
    async with await psycopg.AsyncConnection.connect(direct_url) as deleting:
        await store.add_thread_item("thr_1", answer("msg_1"), ADA)
        await deleting.execute("delete from chatkit.items")
        rated = asyncio.create_task(store.add_feedback("thr_1", ["msg_1"], "positive", context=ADA))
        async with asyncio.timeout(60):
            while not await rows(
                direct_url, "select 1 from pg_stat_activity where wait_event_type = 'Lock'"
            ):
                pass
        await deleting.commit()

        with pytest.raises(NotFoundError, match="was deleted"):
            await rated


async def test_feedback_on_nothing_still_needs_the_thread(store: PostgresStore) -> None:
    await store.add_feedback("thr_1", [], "positive", context=ADA)

    with pytest.raises(NotFoundError, match="thr_none"):
        await store.add_feedback("thr_none", [], "positive", context=ADA)


async def _add(store: PostgresStore, count: int) -> list[str]:
    names = [f"msg_{number:02}" for number in range(count)]
    for name in names:
        await store.add_thread_item("thr_1", answer(name), ADA)
    return names


async def _listed(store: PostgresStore, order: str) -> list[str]:
    found: list[str] = []
    after = None
    while True:
        page = await store.load_thread_items("thr_1", after, 4, order, ADA)
        found += [item.id for item in page.data]
        after = page.after
        if not page.has_more:
            return found


async def test_an_item_that_cannot_be_read_does_not_cost_its_thread(
    store: PostgresStore, direct_url: str
) -> None:
    await store.save_thread(thread(), ADA)
    for number in range(6):
        await store.add_thread_item("thr_1", answer(f"msg_{number}"), ADA)
    # As a later version of the SDK may have written it.
    await execute(
        direct_url, """update chatkit.items set data = '{"type": "hologram"}' where id = 'msg_2'"""
    )

    pages = []
    after = None
    while True:
        page = await store.load_thread_items("thr_1", after, 3, "asc", ADA)
        pages.append([item.id for item in page.data])
        after = page.after
        if not page.has_more:
            break
    started = await store.begin_turn("turn", "thr_1", question("msg_6"), context=ADA)

    assert pages == [["msg_0", "msg_1"], ["msg_3", "msg_4", "msg_5"]]
    assert [item.id for item in started.items] == [f"msg_{n}" for n in (0, 1, 3, 4, 5, 6)]
    with pytest.raises(StoreError, match="does not fit this version"):
        await store.load_item("thr_1", "msg_2", ADA)
