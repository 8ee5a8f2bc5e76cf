"""Pages hold everything once, in one order, from both ends."""

from datetime import timedelta
from typing import Any, ClassVar

import pytest
from chatkit.store import NotFoundError
from chatkit.types import ThreadMetadata

from chatkit_stores.testing.case import NOON, Case, Contract, Load, check

orders = pytest.mark.parametrize("order", ["asc", "desc"])


async def _add(case: Case, thread: ThreadMetadata, seconds: int = 0) -> str:
    created_at = NOON + timedelta(seconds=seconds)
    return (await case.added_answer(thread, created_at=created_at)).id


async def _save(case: Case, seconds: int = 0) -> str:
    return (await case.saved_thread(created_at=NOON + timedelta(seconds=seconds))).id


async def _ids(case: Case, load: Load, limit: int) -> list[str]:
    return [entry.id async for page in case.pages(load, limit) for entry in page.data]


class Pages(Contract):
    long_thread: ClassVar[int] = 1_000
    """The items of the longest thread that is tried."""

    @orders
    @check
    async def test_pages_hold_every_item_once(self, case: Case, order: str) -> None:
        """Where the last page is full, an item is lost, an empty page follows, or paging never
        ends."""
        for number in (0, 1, 3, 4, 8, 9):
            thread = await case.saved_thread()
            names = [await _add(case, thread, second) for second in range(number)]

            pages = [page async for page in case.pages(case.load_items(thread, order), 4)]

            found = [item.id for page in pages for item in page.data]
            assert found == (names if order == "asc" else names[::-1])
            assert [len(page.data) for page in pages[:-1]] == [4] * (max(number - 1, 0) // 4)

    @orders
    @check
    async def test_pages_hold_every_thread_once(self, case: Case, order: str) -> None:
        """A reader's list of chats lacks some, or repeats them, from the second page on."""
        names: list[str] = []
        for number in (0, 1, 4, 5, 8):
            names += [await _save(case, second) for second in range(len(names), number)]

            found = await _ids(case, case.load_threads(order), 4)

            assert found == (names if order == "asc" else names[::-1])

    @orders
    @check
    async def test_items_of_one_instant_keep_their_order(self, case: Case, order: str) -> None:
        """Pages that start after a time skip what else was made at that time, and sorting by it
        turns question and answer round."""
        thread = await case.saved_thread()
        names = [await _add(case, thread) for _ in range(23)]

        found = await _ids(case, case.load_items(thread, order), 4)

        assert found == (names if order == "asc" else names[::-1])

    @orders
    @check
    async def test_threads_of_one_instant_are_all_listed(self, case: Case, order: str) -> None:
        """Chats that were begun at one time, by an import for example, are missing in the list."""
        names = [await _save(case) for _ in range(11)]

        found = await _ids(case, case.load_threads(order), 4)

        assert found == (names if order == "asc" else names[::-1])

    @orders
    @check
    async def test_a_clock_that_goes_back_changes_no_order(self, case: Case, order: str) -> None:
        """With two servers, or a clock that is set right, an answer comes before its question,
        and retry deletes the wrong items."""
        thread = await case.saved_thread()
        names = [await _add(case, thread, -number) for number in range(9)]

        found = await _ids(case, case.load_items(thread, order), 4)

        assert found == (names if order == "asc" else names[::-1])

    @orders
    @check
    async def test_saving_again_keeps_the_place(self, case: Case, order: str) -> None:
        """An item that is replaced, an answered form for example, jumps to the thread's end, and a
        renamed thread to the list's top, while pages are read."""
        times = [NOON + timedelta(seconds=second) for second in range(5)]
        threads = [await case.saved_thread(created_at=time) for time in times]
        items = [await case.added_answer(threads[0], created_at=time) for time in times]

        threads[1].title = "Renamed"
        await case.store.save_thread(threads[1], context=case.ada)
        changed = items[1].model_copy(update={"created_at": NOON + timedelta(hours=1)})
        await case.store.save_item(threads[0].id, changed, context=case.ada)

        step = 1 if order == "asc" else -1
        found = await _ids(case, case.load_items(threads[0], order), 2)
        listed = await _ids(case, case.load_threads(order), 2)
        assert found == [item.id for item in items][::step]
        assert listed == [thread.id for thread in threads][::step]

    @orders
    @check
    async def test_a_page_after_what_was_deleted_does_not_start_again(
        self, case: Case, order: str
    ) -> None:
        """Another tab deletes what a page ended with; the next page begins anew, and everything
        is shown twice. The rest, or `NotFoundError`, is right."""
        thread = await case.saved_thread()
        names = [await _add(case, thread, second) for second in range(7)]
        expected = names if order == "asc" else names[::-1]
        page = await case.load_items(thread, order)(None, 3)
        await case.store.delete_thread_item(thread.id, expected[2], context=case.ada)

        rest = await case.found(case.load_items(thread, order)(page.after, 10))

        assert rest is None or [item.id for item in rest.data] == expected[3:]

    @orders
    @check
    async def test_a_page_after_a_deleted_thread_does_not_start_again(
        self, case: Case, order: str
    ) -> None:
        """The same in the list of chats, where deleting is a matter of one click."""
        names = [await _save(case, second) for second in range(7)]
        expected = names if order == "asc" else names[::-1]
        page = await case.load_threads(order)(None, 3)
        await case.store.delete_thread(expected[2], context=case.ada)

        rest = await case.found(case.load_threads(order)(page.after, 10))

        assert rest is None or [thread.id for thread in rest.data] == expected[3:]

    @pytest.mark.parametrize("whose", ["nobody's", "another thread's", "another user's"])
    @check
    async def test_a_cursor_from_elsewhere_is_not_found(self, case: Case, whose: str) -> None:
        """An `after` that is not in the list is passed over: the first page comes again and
        again, or what another user's id says of its time is told."""
        thread, other = await case.saved_thread(), await case.saved_thread()
        foreign = await case.saved_thread(case.bob)
        for each in (thread, other):
            await case.added_answer(each)
        after = {
            "nobody's": case.new_id(),
            "another thread's": (await case.added_answer(other)).id,
            "another user's": (await case.added_answer(foreign, context=case.bob)).id,
        }[whose]
        listed_after = foreign.id if whose == "another user's" else after

        for order in ("asc", "desc"):
            with pytest.raises(NotFoundError):
                await case.load_items(thread, order)(after, 5)
            with pytest.raises(NotFoundError):
                await case.load_threads(order)(listed_after, 5)

    @check
    async def test_no_limit_makes_an_endless_list(self, case: Case) -> None:
        """The SDK passes on any limit that a client names. -1 gives an empty page with more to
        come, for ever; a billion is not to be reserved in advance."""
        thread = await case.saved_thread()
        names = [await _add(case, thread, second) for second in range(3)]

        assert await _ids(case, case.load_items(thread, "asc"), 10**9) == names
        assert await _ids(case, case.load_threads("desc"), 10**9) == [thread.id]
        assert await _ids(case, case.load_items(thread, "desc"), 1) == names[::-1]
        for load in (case.load_items(thread, "asc"), case.load_threads("asc")):
            for limit in (0, -1):
                try:
                    page = await load(None, limit)
                except ValueError:
                    continue
                assert page.data or not page.has_more

    @check
    async def test_a_long_thread_comes_whole(self, case: Case) -> None:
        """A limit of the database's driver, or of the store, cuts long threads silently."""
        thread = await case.saved_thread()
        names = [await _add(case, thread, number) for number in range(self.long_thread)]

        for limit in (100, self.long_thread, self.long_thread + 1):
            assert await _ids(case, case.load_items(thread, "asc"), limit) == names
        newest: list[Any] = (await case.load_items(thread, "desc")(None, 3)).data
        assert [item.id for item in newest] == names[:-4:-1]
