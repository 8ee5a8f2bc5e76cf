"""Two users, every method, both ways: what is one's does not exist for the other."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from chatkit.store import NotFoundError
from chatkit.types import ThreadItem, ThreadMetadata

from chatkit_stores.testing.case import Case, Contract, check, wire


@dataclass
class Owned:
    """What one of the users has."""

    thread: ThreadMetadata
    item: ThreadItem


Call = Callable[[Case, Owned, Any], Awaitable[Any]]

READS: dict[str, Call] = {
    "load_thread": lambda case, owned, stranger: case.store.load_thread(
        owned.thread.id, context=stranger
    ),
    "load_item": lambda case, owned, stranger: case.store.load_item(
        owned.thread.id, owned.item.id, context=stranger
    ),
}

WRITES: dict[str, Call] = {
    "save_thread": lambda case, owned, stranger: case.store.save_thread(
        owned.thread.model_copy(update={"title": "Taken"}), context=stranger
    ),
    "add_thread_item": lambda case, owned, stranger: case.store.add_thread_item(
        owned.thread.id, case.answer(owned.thread, "Slipped in."), context=stranger
    ),
    "add_thread_item, same id": lambda case, owned, stranger: case.store.add_thread_item(
        owned.thread.id,
        case.answer(owned.thread, "Overwritten.", id=owned.item.id),
        context=stranger,
    ),
    "save_item": lambda case, owned, stranger: case.store.save_item(
        owned.thread.id,
        case.answer(owned.thread, "Overwritten.", id=owned.item.id),
        context=stranger,
    ),
    "delete_thread_item": lambda case, owned, stranger: case.store.delete_thread_item(
        owned.thread.id, owned.item.id, context=stranger
    ),
    "delete_thread": lambda case, owned, stranger: case.store.delete_thread(
        owned.thread.id, context=stranger
    ),
}


class Owners(Contract):
    @pytest.mark.parametrize("method", READS)
    @check
    async def test_nothing_of_another_user_is_read(self, case: Case, method: str) -> None:
        """Whoever learns or guesses an id reads somebody else's chat."""
        for owner, stranger in ((case.ada, case.bob), (case.bob, case.ada)):
            owned = await _owned_by(owner, case)
            with pytest.raises(NotFoundError):
                await READS[method](case, owned, stranger)

    @check
    async def test_lists_hold_what_is_ones_own(self, case: Case) -> None:
        """The list of chats shows everybody's, or a thread's id is enough to list its items. For
        the items an empty page is right too: the SDK's own tests ask for that."""
        adas = await _owned_by(case.ada, case)
        bobs = await _owned_by(case.bob, case)

        for user, own, foreign in ((case.ada, adas, bobs), (case.bob, bobs, adas)):
            for order in ("asc", "desc"):
                listed = await case.load_threads(order, context=user)(None, 5)
                assert [thread.id for thread in listed.data] == [own.thread.id]
                seen = await case.found(
                    case.load_items(foreign.thread, order, context=user)(None, 5)
                )
                assert seen is None or not (seen.data or seen.has_more)

    @pytest.mark.parametrize("method", WRITES)
    @check
    async def test_nothing_of_another_user_is_changed(self, case: Case, method: str) -> None:
        """Whoever knows an id renames, overwrites or deletes what is somebody else's, or writes
        into their chat."""
        for owner, stranger in ((case.ada, case.bob), (case.bob, case.ada)):
            owned = await _owned_by(owner, case)

            await case.is_refused(WRITES[method](case, owned, stranger))

            items = await case.items(owned.thread, context=owner)
            assert [wire(item) for item in items] == [wire(owned.item)]
            thread = await case.store.load_thread(owned.thread.id, context=owner)
            assert wire(thread) == wire(owned.thread)

    @pytest.mark.parametrize("method", WRITES)
    @check
    async def test_another_users_thread_is_like_none(self, case: Case, method: str) -> None:
        """A write that does nothing and says nothing looks like success, and an error of another
        kind than for what never was tells which ids exist: it has to be `NotFoundError`."""
        owned = await _owned_by(case.ada, case)
        with pytest.raises(NotFoundError):
            await WRITES[method](case, owned, case.bob)


async def _owned_by(owner: Any, case: Case) -> Owned:
    thread = await case.saved_thread(owner, title="Mine", metadata={"mine": True})
    item = await case.added_answer(thread, "Mine.", context=owner)
    return Owned(thread, item)
