"""One id is one thing."""

import math
from datetime import timedelta
from itertools import zip_longest
from typing import Any, Literal, get_args

import pytest
from chatkit.store import NotFoundError, Store, StoreItemType

from chatkit_stores.testing.case import NOON, Case, Contract, check, wire

Method = Literal["add_thread_item", "save_item"]
methods = pytest.mark.parametrize("method", get_args(Method))


class Identity(Contract):
    @methods
    @pytest.mark.parametrize("whose", ["own", "another user's"])
    @check
    async def test_an_id_of_another_thread_is_not_overwritten(
        self, case: Case, method: Method, whose: str
    ) -> None:
        """Chat Completions models give every message the id `__fake_id__`: the second answer takes
        the place of the first, in another chat and for another user, or is dropped without a
        word. To refuse it, or to keep both, is right."""
        owner = case.ada if whose == "own" else case.bob
        first, second = await case.saved_thread(owner), await case.saved_thread()
        kept = await case.added_answer(
            first, "First.", id=case.new_id("__fake_id__"), context=owner
        )
        item = case.answer(second, "Second.", id=kept.id)

        write = getattr(case.store, method)
        refused = await case.is_refused(write(second.id, item, context=case.ada))

        assert [wire(found) for found in await case.items(first, context=owner)] == [wire(kept)]
        loaded = await case.store.load_item(first.id, kept.id, context=owner)
        assert wire(loaded) == wire(kept)
        stored = [] if refused else [wire(item)]
        assert [wire(found) for found in await case.items(second)] == stored

    @methods
    @check
    async def test_one_id_is_one_item_in_its_thread(self, case: Case, method: Method) -> None:
        """A second answer with the id of the first is listed beside it, and the chat shows one of
        them twice. To replace it, or to refuse it, is right."""
        thread = await case.saved_thread()
        first = await case.added_answer(thread, "First.")
        last = await case.added_answer(thread, created_at=NOON + timedelta(seconds=1))
        second = case.answer(thread, "Second.", id=first.id)
        await case.is_refused(getattr(case.store, method)(thread.id, second, context=case.ada))

        found = await case.items(thread)

        assert [item.id for item in found] == [first.id, last.id]
        loaded = await case.store.load_item(thread.id, first.id, context=case.ada)
        assert wire(loaded) == wire(found[0])

    @check
    async def test_an_item_added_twice_is_one_item(self, case: Case) -> None:
        """The SDK adds a workflow again that was left open by the turn before, and an item whose
        writing was interrupted by Stop: a plain insert ends the answer with an error."""
        thread = await case.saved_thread()
        item = await case.added_answer(thread)
        await case.store.add_thread_item(thread.id, item, context=case.ada)

        assert [wire(found) for found in await case.items(thread)] == [wire(item)]

    @check
    async def test_save_item_replaces_and_adds(self, case: Case) -> None:
        """The SDK replaces items that were not stored yet, a widget that was streamed for example:
        an update that meets no row loses them without a word."""
        thread = await case.saved_thread()
        item = await case.added_answer(thread, "First.")
        better = case.answer(thread, "Better.", id=item.id)
        await case.store.save_item(thread.id, better, context=case.ada)
        new = case.answer(thread, "New.")
        await case.store.save_item(thread.id, new, context=case.ada)

        assert [wire(found) for found in await case.items(thread)] == [wire(better), wire(new)]
        loaded = await case.store.load_item(thread.id, item.id, context=case.ada)
        assert wire(loaded) == wire(better)

    @check
    async def test_an_item_is_found_through_its_own_thread_only(self, case: Case) -> None:
        """A request may name a thread that the user has and an item from elsewhere."""
        thread, other = await case.saved_thread(), await case.saved_thread()
        item = await case.added_answer(thread)

        with pytest.raises(NotFoundError):
            await case.store.load_item(other.id, item.id, context=case.ada)
        await case.is_refused(case.store.delete_thread_item(other.id, item.id, context=case.ada))
        assert [wire(found) for found in await case.items(thread)] == [wire(item)]

    @check
    async def test_ids_do_not_collide(self, case: Case) -> None:
        """The SDK's ids have 32 random bits: among 77,000 items two are as likely as not to share
        one, and then a message is lost or overwritten. Counters start anew in each process."""
        thread, user = case.thread(), case.ada

        def make(store: Store[Any], kind: StoreItemType, number: int) -> list[str]:
            if kind == "thread":
                return [store.generate_thread_id(user) for _ in range(number)]
            return [store.generate_item_id(kind, thread, user) for _ in range(number)]

        for kind in get_args(StoreItemType):
            made = make(case.store, kind, 100_000 if kind == "message" else 1_000)
            async with case.open_another() as another:
                made += make(another, kind, 1_000)

            assert len(set(made)) == len(made)
            # As many bits as could be in those characters that are not the same in all ids.
            columns = zip_longest(*made[-2_000:], fillvalue="")
            bits = sum(math.log2(len(set(column))) for column in columns)
            assert bits >= 64, f"a {kind} id has room for no more than {bits:.0f} random bits"
