"""Threads: what is saved comes back, in order, and only to its owner."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from chatkit.store import NotFoundError
from chatkit.types import ClosedStatus, LockedStatus, ThreadMetadata

from chatkit_stores import PostgresStore
from tests.fixtures.postgres import ADA, BOB, rows
from tests.stores.items import NOON, ODD_TEXTS, answer, question, thread


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


async def test_a_thread_comes_back_as_it_was_saved(store: PostgresStore) -> None:
    for number, text in enumerate(ODD_TEXTS):
        saved = ThreadMetadata(
            id=f"thr_{number}",
            created_at=NOON,
            title=text,
            status=LockedStatus(reason=text),
            allowed_image_domains=[text, "a.b"],
            metadata={text: [text, 1, None, {"deep": True}]},
        )
        await store.save_thread(saved, ADA)

        assert await store.load_thread(saved.id, ADA) == saved


async def test_saving_again_replaces_every_field(store: PostgresStore) -> None:
    await store.save_thread(thread(title="Old"), ADA)
    changed = thread(title=None).model_copy(
        update={"status": ClosedStatus(), "metadata": {"a": 1}, "allowed_image_domains": []}
    )

    await store.save_thread(changed, ADA)

    assert await store.load_thread("thr_1", ADA) == changed


@pytest.mark.usefixtures("new_york")
async def test_a_naive_time_is_this_machines_local_time(store: PostgresStore) -> None:
    noon_in_new_york = datetime(2026, 7, 1, 12, 0)
    await store.save_thread(ThreadMetadata(id="thr_1", created_at=noon_in_new_york), ADA)
    await store.add_thread_item(
        "thr_1", answer("msg_1").model_copy(update={"created_at": noon_in_new_york}), ADA
    )

    loaded = await store.load_thread("thr_1", ADA)
    item = await store.load_item("thr_1", "msg_1", ADA)
    assert loaded.created_at == item.created_at == datetime(2026, 7, 1, 16, 0, tzinfo=UTC)
    assert loaded.created_at.utcoffset() == item.created_at.utcoffset() == UTC.utcoffset(None)
    assert '"2026-07-01T16:00:00Z"' in loaded.model_dump_json()


async def test_threads_of_one_instant_are_listed_newest_first(store: PostgresStore) -> None:
    names = [f"thr_{number}" for number in range(25)]
    for name in names:
        await store.save_thread(thread(name), ADA)
    await store.save_thread(thread("thr_3", "Saved again, and not newer for that"), ADA)

    assert await _listed(store, "desc") == names[::-1]
    assert await _listed(store, "asc") == names


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


async def test_the_last_full_page_has_no_successor(store: PostgresStore) -> None:
    for name in ("thr_1", "thr_2"):
        await store.save_thread(thread(name), ADA)

    page = await store.load_threads(2, None, "desc", ADA)

    assert (len(page.data), page.has_more, page.after) == (2, False, None)
    assert (await store.load_threads(10**9, None, "desc", ADA)).data == page.data


async def test_a_cursor_that_never_was_is_not_found(store: PostgresStore) -> None:
    await store.save_thread(thread("thr_bob"), BOB)

    for after in ("thr_bob", "thr_none", "nu\0l"):
        with pytest.raises(NotFoundError):
            await store.load_threads(5, after, "desc", ADA)


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


async def test_a_thread_saved_twice_at_once_is_one_thread(store: PostgresStore) -> None:
    names = [f"thr_{number}" for number in range(20)]
    for name in names:
        async with asyncio.TaskGroup() as group:
            for number in range(6):
                group.create_task(store.save_thread(thread(name, f"{number}"), ADA))

    assert await _listed(store, "asc") == names


async def _listed(store: PostgresStore, order: str) -> list[str]:
    found: list[str] = []
    after = None
    while True:
        page = await store.load_threads(4, after, order, ADA)
        found += [entry.id for entry in page.data]
        after = page.after
        if not page.has_more:
            return found
