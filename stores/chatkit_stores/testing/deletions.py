"""What is deleted is gone, with all that belongs to it, and what never was is not found."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from chatkit.store import NotFoundError
from chatkit.types import ThreadMetadata

from chatkit_stores.testing.case import ODD_IDS, Case, Contract, check, wire

UNKNOWN: dict[str, Callable[[Case, ThreadMetadata], Awaitable[Any]]] = {
    "load_thread": lambda case, thread: case.store.load_thread(thread.id, context=case.ada),
    "load_item": lambda case, thread: case.store.load_item(
        thread.id, case.new_id(), context=case.ada
    ),
    "add_thread_item": lambda case, thread: case.store.add_thread_item(
        thread.id, case.answer(thread), context=case.ada
    ),
    "save_item": lambda case, thread: case.store.save_item(
        thread.id, case.answer(thread), context=case.ada
    ),
    "delete_thread": lambda case, thread: case.store.delete_thread(thread.id, context=case.ada),
}


class Deletions(Contract):
    @pytest.mark.parametrize("method", UNKNOWN)
    @check
    async def test_what_is_unknown_is_not_found(self, case: Case, method: str) -> None:
        """A client that names what was deleted elsewhere is told that all went well, or gets a 500;
        and items are stored that belong to no thread."""
        with pytest.raises(NotFoundError):
            await UNKNOWN[method](case, case.thread())

    @check
    async def test_an_id_of_any_text_is_not_found(self, case: Case) -> None:
        """Ids come from clients. One that the database cannot even hold is a 500 and an alert."""
        thread = await case.saved_thread()
        for odd in ODD_IDS:
            with pytest.raises(NotFoundError):
                await case.store.load_thread(odd, context=case.ada)
            with pytest.raises(NotFoundError):
                await case.store.load_item(thread.id, odd, context=case.ada)
            if odd:
                with pytest.raises(NotFoundError):
                    await case.load_items(thread, "asc")(odd, 5)

    @check
    async def test_a_deleted_thread_takes_its_items_along(self, case: Case) -> None:
        """A reader deletes a chat, and what they wrote stays in the database."""
        thread, other = await case.saved_thread(), await case.saved_thread()
        items = [await case.added_answer(thread) for _ in range(3)]
        kept = await case.added_answer(other)

        await case.store.delete_thread(thread.id, context=case.ada)

        assert await case.found(case.store.load_thread(thread.id, context=case.ada)) is None
        page = await case.found(case.load_items(thread, "asc")(None, 5))
        assert page is None or page.data == []
        for item in items:
            loading = case.store.load_item(thread.id, item.id, context=case.ada)
            assert await case.found(loading) is None
        listed = await case.load_threads("asc")(None, 5)
        assert [found.id for found in listed.data] == [other.id]
        assert [found.id for found in await case.items(other)] == [kept.id]

    @check
    async def test_a_deleted_thread_stays_deleted(self, case: Case) -> None:
        """Somebody deletes a chat while an answer is written; the turn saves its thread and its
        answer, and the chat is back."""
        thread = await case.saved_thread(title="Private")
        item = await case.added_answer(thread)
        loaded = await case.store.load_thread(thread.id, context=case.ada)
        await case.store.delete_thread(thread.id, context=case.ada)

        for stale in (thread, loaded):
            stale.metadata = {"answered": True}
            await case.is_refused(case.store.save_thread(stale, context=case.ada))
        for late in (item, case.answer(thread)):
            await case.is_refused(case.store.add_thread_item(thread.id, late, context=case.ada))
            await case.is_refused(case.store.save_item(thread.id, late, context=case.ada))

        assert await case.found(case.store.load_thread(thread.id, context=case.ada)) is None
        assert (await case.load_threads("desc")(None, 5)).data == []
        page = await case.found(case.load_items(thread, "asc")(None, 5))
        assert page is None or page.data == []

    @check
    async def test_a_deleted_item_stays_deleted(self, case: Case) -> None:
        """Retry deletes an answer that is still being written; its end is stored after that, and
        the chat holds both answers."""
        thread = await case.saved_thread()
        question, answer = [await case.added_answer(thread) for _ in range(2)]
        await case.store.delete_thread_item(thread.id, answer.id, context=case.ada)

        await case.is_refused(case.store.add_thread_item(thread.id, answer, context=case.ada))
        await case.is_refused(case.store.save_item(thread.id, answer, context=case.ada))

        assert [wire(item) for item in await case.items(thread)] == [wire(question)]
        loading = case.store.load_item(thread.id, answer.id, context=case.ada)
        assert await case.found(loading) is None

    @check
    async def test_what_was_never_stored_can_be_taken_back(self, case: Case) -> None:
        """When a guardrail stops an answer, the SDK deletes items that it has only streamed. An
        error there keeps the blocked text on the reader's screen."""
        thread = await case.saved_thread()
        item = await case.added_answer(thread)

        await case.store.delete_thread_item(thread.id, case.new_id(), context=case.ada)
        for _ in range(2):
            await case.store.delete_thread_item(thread.id, item.id, context=case.ada)

        assert await case.items(thread) == []
