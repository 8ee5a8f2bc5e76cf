"""Several at once, and those that are stopped half-way."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, ClassVar

from chatkit.store import NotFoundError, Store
from chatkit.types import ThreadItem, ThreadMetadata

from chatkit_stores.testing.case import NOON, Case, Contract, check, wire


async def write_and_follow(
    store: Store[Any],
    items: Sequence[ThreadItem],
    number: int,
    *,
    thread_id: str,
    context: Any,
    patience: float = 15.0,
) -> list[str]:
    """Add the items and meanwhile read the thread forward, until there were so many: their ids."""
    seen: list[str] = []

    async def follow() -> None:
        while len(seen) < number:
            after = seen[-1] if seen else None
            page = await store.load_thread_items(
                thread_id, after=after, limit=7, order="asc", context=context
            )
            seen.extend(item.id for item in page.data)
            await asyncio.sleep(0)

    following = asyncio.create_task(follow())
    try:
        for item in items:
            await store.add_thread_item(thread_id, item, context=context)
            # A store that never waits would leave the reader no time.
            await asyncio.sleep(0)
    except BaseException:
        following.cancel()
        raise
    # What does not come by then was passed over.
    await asyncio.wait([following], timeout=patience)
    following.cancel()
    return seen


class Writers(Contract):
    cancellations: ClassVar[int] = 20
    """At how many points each write is cancelled."""

    @check
    async def test_two_writers_lose_nothing(self, case: Case) -> None:
        """Two processes add to one thread while both read on from the last item that they saw: an
        item that gets its place before it can be seen is passed over, and never shown."""
        thread = await case.saved_thread()
        times = [NOON + timedelta(seconds=second) for second in range(120)]
        # The clock of one is behind: a store that goes by it would fail or not, as the two happen
        # to take turns.
        ours, theirs = (
            [case.answer(thread, created_at=time) for time in some]
            for some in (times[60:], times[:60])
        )

        async with case.open_another() as other:
            seen = await asyncio.gather(
                *(
                    write_and_follow(
                        store,
                        items,
                        120,
                        thread_id=thread.id,
                        context=case.ada,
                        patience=self.patience / 4,
                    )
                    for store, items in ((case.store, ours), (other, theirs))
                )
            )

        listed = [item.id for item in await case.items(thread)]
        assert sorted(listed) == sorted(item.id for item in ours + theirs)
        assert seen == [listed, listed]
        for items in (ours, theirs):
            own = {item.id for item in items}
            assert [name for name in listed if name in own] == [item.id for item in items]

    @check
    async def test_one_item_added_by_many_is_one_item(self, case: Case) -> None:
        """Stop stores an item whose first writing is still under way; both at once fail on the
        same key, or store it twice."""
        thread = await case.saved_thread()
        item = case.answer(thread)

        async with case.open_another() as other:
            await asyncio.gather(
                *(
                    store.add_thread_item(thread.id, item, context=case.ada)
                    for store in (case.store, other) * 4
                )
            )

        assert [wire(found) for found in await case.items(thread)] == [wire(item)]

    @check
    async def test_one_thread_saved_by_many_is_one_thread(self, case: Case) -> None:
        """A request that is sent twice creates a thread twice, or the second fails on the first."""
        threads = [case.thread() for _ in range(8)]

        async with case.open_another() as other:
            for thread in threads:
                await asyncio.gather(
                    *(
                        store.save_thread(thread, context=case.ada)
                        for store in (case.store, other) * 3
                    )
                )

        listed = await case.load_threads("asc")(None, 50)
        assert [found.id for found in listed.data] == [thread.id for thread in threads]

    @check
    async def test_no_item_outlives_its_thread(self, case: Case) -> None:
        """An item is added in the moment in which its thread is deleted, and stays behind."""
        async with case.open_another() as other:
            for number in range(12):
                thread = await case.saved_thread()
                item = case.answer(thread)
                both = [
                    other.add_thread_item(thread.id, item, context=case.ada),
                    case.store.delete_thread(thread.id, context=case.ada),
                ]
                # Each comes first now and then, also where neither ever waits.
                await asyncio.gather(*both[:: 1 if number % 2 else -1], return_exceptions=True)

                assert await case.found(case.store.load_thread(thread.id, context=case.ada)) is None
                loading = case.store.load_item(thread.id, item.id, context=case.ada)
                assert await case.found(loading) is None

    @check
    async def test_a_cancelled_item_is_there_or_not(self, case: Case) -> None:
        """Stop cancels a task in the midst of a write: half of it stays, or a lock, or a
        connection that the next request gets; and the repeated write fails."""
        thread = await case.saved_thread()
        items = [case.answer(thread) for _ in range(self.cancellations + 1)]

        async def check_one(item: ThreadItem) -> None:
            loading = case.store.load_item(thread.id, item.id, context=case.ada)
            found = await case.found(loading)
            assert found is None or wire(found) == wire(item)

        await self._cancelled(
            [_adding(case, thread, item) for item in items],
            [lambda item=item: check_one(item) for item in items],  # type: ignore[misc]
        )

        found = await case.items(thread)
        assert sorted(item.id for item in found) == sorted(item.id for item in items)

    @check
    async def test_a_cancelled_change_is_whole_or_not_made(self, case: Case) -> None:
        """The same for an item that is replaced and a thread that is saved."""
        thread = await case.saved_thread(title="0", metadata={"of": "0"})
        item = await case.added_answer(thread, "0")

        def writing(number: int) -> Callable[[], Awaitable[None]]:
            async def write() -> None:
                changed = thread.model_copy(
                    update={"title": f"{number}", "metadata": {"of": f"{number}"}}
                )
                await case.store.save_thread(changed, context=case.ada)
                better = case.answer(thread, f"{number}", id=item.id)
                await case.store.save_item(thread.id, better, context=case.ada)

            return write

        async def whole() -> None:
            found = await case.store.load_thread(thread.id, context=case.ada)
            assert found.metadata == {"of": found.title}
            [answer] = await case.items(thread)
            assert answer.id == item.id

        numbers = range(1, self.cancellations + 2)
        await self._cancelled([writing(number) for number in numbers], [whole] * len(numbers))

        found = await case.store.load_thread(thread.id, context=case.ada)
        assert found.title == f"{numbers[-1]}"

    @check
    async def test_a_cancelled_deletion_is_whole_or_not_made(self, case: Case) -> None:
        """A thread is gone and its items are not, or the other way round, and deleting it again
        does not help."""
        threads = [await case.saved_thread() for _ in range(self.cancellations + 1)]
        items = [[await case.added_answer(thread) for _ in range(3)] for thread in threads]

        def deleting(thread: ThreadMetadata) -> Callable[[], Awaitable[None]]:
            async def delete() -> None:
                with suppress(NotFoundError):
                    await case.store.delete_thread(thread.id, context=case.ada)

            return delete

        async def whole(thread: ThreadMetadata, its: list[ThreadItem]) -> None:
            kept = await case.found(case.store.load_thread(thread.id, context=case.ada))
            found = [
                await case.found(case.store.load_item(thread.id, item.id, context=case.ada))
                for item in its
            ]
            if kept is None:
                assert found == [None] * 3
            elif await case.found(case.store.load_thread(thread.id, context=case.ada)):
                assert None not in found

        await self._cancelled(
            [deleting(thread) for thread in threads],
            [
                lambda thread=thread, its=its: whole(thread, its)  # type: ignore[misc]
                for thread, its in zip(threads, items, strict=True)
            ],
        )

        assert (await case.load_threads("asc")(None, 5)).data == []

    async def _cancelled(
        self,
        writes: Sequence[Callable[[], Awaitable[None]]],
        checks: Sequence[Callable[[], Awaitable[None]]],
    ) -> None:
        """Cancel each write a little later than the one before, then repeat it."""
        # How long one takes, in turns of the event loop: each turn may be one in which a
        # cancellation arrives.
        steps = 0
        first = asyncio.ensure_future(writes[0]())
        while not first.done():
            await asyncio.sleep(0)
            steps += 1
        await first
        for number, (write, check_state) in enumerate(zip(writes[1:], checks[1:], strict=True)):
            writing = asyncio.ensure_future(write())
            for _ in range(1 + number * steps // len(writes)):
                await asyncio.sleep(0)
            writing.cancel()
            await asyncio.wait([writing])
            if not writing.cancelled():
                # It had ended already, or the store lets a write end that was begun.
                assert writing.exception() is None, "cancelling a write made it fail otherwise"
            await check_state()
            await write()


def _adding(case: Case, thread: ThreadMetadata, item: ThreadItem) -> Callable[[], Awaitable[None]]:
    return lambda: case.store.add_thread_item(thread.id, item, context=case.ada)
