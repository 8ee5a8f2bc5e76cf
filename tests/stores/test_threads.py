"""Threads: what `PostgresStore` promises beyond the contract of all stores."""

import pytest
from chatkit.store import NotFoundError
from chatkit.types import LockedStatus

from chatkit_stores import PostgresStore
from tests.fixtures.postgres import ADA, rows
from tests.stores.items import answer, question, thread


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_page_starts_after_a_thread_that_was_deleted(
    store: PostgresStore, order: str
) -> None:
    names = [f"thr_{number}" for number in range(9)]
    for name in names:
        await store.save_thread(thread(name), ADA)
    first = await store.load_threads(4, None, order, ADA)
    assert first.after is not None
    await store.delete_thread(first.after, ADA)

    rest = await store.load_threads(9, first.after, order, ADA)

    expected = names if order == "asc" else names[::-1]
    assert [found.id for found in first.data + rest.data] == expected
    assert (first.has_more, rest.has_more, rest.after) == (True, False, None)


@pytest.mark.parametrize(("limit", "order"), [(0, "asc"), (-1, "asc"), (5, "sideways")])
async def test_a_page_that_makes_no_sense_is_refused(
    store: PostgresStore, limit: int, order: str
) -> None:
    with pytest.raises(ValueError, match=r"limit is|order is"):
        await store.load_threads(limit, None, order, ADA)
    with pytest.raises(ValueError, match=r"limit is|order is"):
        await store.load_thread_items("thr_1", None, limit, order, ADA)


async def test_a_deleted_thread_takes_everything_along_and_does_not_come_back(
    store: PostgresStore,
) -> None:
    await store.save_thread(thread(title="Secret"), ADA)
    await store.add_thread_item("thr_1", question("msg_1", "Secret?"), ADA)
    await store.add_feedback("thr_1", ["msg_1"], "negative", context=ADA)

    await store.delete_thread("thr_1", ADA)

    for attempt in (
        store.load_thread("thr_1", ADA),
        store.save_thread(thread(title="Back"), ADA),
        store.update_thread("thr_1", {"title": "Back"}, context=ADA),
        store.add_thread_item("thr_1", answer("msg_2"), ADA),
        store.add_thread_item("thr_1", question("msg_1"), ADA),
        store.load_thread_items("thr_1", None, 5, "asc", ADA),
        store.begin_turn("turn", "thr_1", question("msg_3"), context=ADA),
        store.begin_turn("turn", thread(), question("msg_3"), context=ADA),
        store.delete_thread("thr_1", ADA),
    ):
        with pytest.raises(NotFoundError, match="thr_1"):
            await attempt
    assert (await store.load_threads(5, None, "desc", ADA)).data == []


async def test_nothing_written_remains_of_a_deleted_thread(
    store: PostgresStore, direct_url: str
) -> None:
    await store.save_thread(thread(title="Secret"), ADA)
    await store.update_thread("thr_1", {"metadata": {"s": "Secret"}}, context=ADA)
    await store.add_thread_item("thr_1", question("msg_1", "Secret?"), ADA)
    await store.add_thread_item("thr_1", question("msg_2", "Secret?"), ADA)
    await store.add_feedback("thr_1", ["msg_1"], "negative", context=ADA)

    await store.delete_thread_item("thr_1", "msg_1", ADA)
    assert await rows(direct_url, "select data from chatkit.items where id = 'msg_1'") == [(None,)]
    assert await rows(direct_url, "select * from chatkit.feedback") == []

    await store.delete_thread("thr_1", ADA)
    assert await rows(direct_url, "select * from chatkit.items") == []
    [kept] = await rows(direct_url, "select threads::text from chatkit.threads")
    assert "Secret" not in kept[0]


async def test_an_update_writes_only_its_fields(store: PostgresStore) -> None:
    await store.save_thread(thread(title="First"), ADA)
    stale = await store.load_thread("thr_1", ADA)

    await store.update_thread("thr_1", {"title": "Renamed\0"}, context=ADA)
    await store.update_thread("thr_1", {"status": LockedStatus(reason="audit")}, context=ADA)
    found = await store.update_thread("thr_1", {"metadata": {"a": "\0"}}, context=ADA)

    assert found == stale.model_copy(
        update={
            "title": "Renamed\0",
            "status": LockedStatus(reason="audit"),
            "metadata": {"a": "\0"},
        }
    )
    assert found == await store.load_thread("thr_1", ADA)
    assert await store.update_thread("thr_1", {}, context=ADA) == found
    active = await store.update_thread("thr_1", {"status": {"type": "active"}}, context=ADA)
    assert active.status.model_dump() == {"type": "active"}


@pytest.mark.parametrize("changes", [{"id": "thr_2"}, {"user_id": "bob"}, {"title": 5}])
async def test_an_update_that_a_thread_cannot_take_is_refused(
    store: PostgresStore, changes: dict[str, object]
) -> None:
    await store.save_thread(thread(), ADA)

    with pytest.raises(ValueError, match=r"id|title"):
        await store.update_thread("thr_1", changes, context=ADA)
    with pytest.raises(ValueError, match=r"id|title"):
        await store.finish_turn("turn", "thr_1", changes=changes, context=ADA)
