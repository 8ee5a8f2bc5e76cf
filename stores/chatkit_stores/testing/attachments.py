"""The records of uploads; their bytes are an attachment store's business."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from chatkit.store import NotFoundError
from chatkit.types import Attachment

from chatkit_stores.testing import samples
from chatkit_stores.testing.case import ODD_IDS, Case, Contract, check, wire
from chatkit_stores.testing.round_trips import texts

CALLS: dict[str, Callable[[Case, Attachment, Any], Awaitable[Any]]] = {
    "load_attachment": lambda case, attachment, stranger: case.store.load_attachment(
        attachment.id, context=stranger
    ),
    "save_attachment": lambda case, attachment, stranger: case.store.save_attachment(
        attachment.model_copy(update={"name": "taken.txt"}), context=stranger
    ),
    "delete_attachment": lambda case, attachment, stranger: case.store.delete_attachment(
        attachment.id, context=stranger
    ),
}


class Attachments(Contract):
    @texts
    @check
    async def test_every_kind_of_attachment_comes_back(self, case: Case, text: str) -> None:
        """An upload's address, headers or metadata are lost, or an image comes back as a file."""
        for sample in samples.attachments(text):
            update = {"id": case.new_id("atc"), "thread_id": None}
            attachment = sample.model_copy(update=update)
            await case.store.save_attachment(attachment, context=case.ada)

            loaded = await case.store.load_attachment(attachment.id, context=case.ada)

            assert type(loaded) is type(attachment)
            assert wire(loaded) == wire(attachment)

    @check
    async def test_an_attachment_moves_to_its_thread(self, case: Case) -> None:
        """The SDK saves an attachment again with the thread of the message that it is sent with:
        a plain insert fails, and the message is not sent."""
        threads = [await case.saved_thread() for _ in range(2)]
        attachment = case.attachment()
        await case.store.save_attachment(attachment, context=case.ada)

        for thread in threads:
            moved = attachment.model_copy(update={"thread_id": thread.id})
            await case.store.save_attachment(moved, context=case.ada)
            loaded = await case.store.load_attachment(attachment.id, context=case.ada)
            assert wire(loaded) == wire(moved)

    @check
    async def test_a_deleted_attachment_is_gone(self, case: Case) -> None:
        """A file that was taken out of the message is still there to be loaded."""
        gone, kept = case.attachment(), case.attachment()
        for attachment in (gone, kept):
            await case.store.save_attachment(attachment, context=case.ada)

        await case.store.delete_attachment(gone.id, context=case.ada)

        with pytest.raises(NotFoundError):
            await case.store.load_attachment(gone.id, context=case.ada)
        assert wire(await case.store.load_attachment(kept.id, context=case.ada)) == wire(kept)

    @check
    async def test_an_unknown_attachment_is_not_found(self, case: Case) -> None:
        """A message with a file that was removed, or with an id of a client's making, is a 500."""
        for unknown in (case.new_id("atc"), *ODD_IDS):
            with pytest.raises(NotFoundError):
                await case.store.load_attachment(unknown, context=case.ada)
            with pytest.raises(NotFoundError):
                await case.store.delete_attachment(unknown, context=case.ada)

    @pytest.mark.parametrize("method", CALLS)
    @check
    async def test_an_attachment_of_another_user_is_not_found(
        self, case: Case, method: str
    ) -> None:
        """Whoever learns an attachment's id reads its name and address, sends it as their own,
        replaces or deletes it; the SDK asks nobody else whose it is."""
        for owner, stranger in ((case.ada, case.bob), (case.bob, case.ada)):
            attachment = case.attachment(name="mine.txt")
            await case.store.save_attachment(attachment, context=owner)

            with pytest.raises(NotFoundError):
                await CALLS[method](case, attachment, stranger)

            kept = await case.store.load_attachment(attachment.id, context=owner)
            assert wire(kept) == wire(attachment)
