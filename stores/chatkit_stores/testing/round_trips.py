"""What is stored comes back as it was."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from chatkit.types import ClosedStatus, LockedStatus, Page, Thread, ThreadItem, ThreadMetadata

from chatkit_stores.testing import samples
from chatkit_stores.testing.case import NOON, Case, Contract, check, wire

texts = pytest.mark.parametrize("text", samples.TEXTS.values(), ids=samples.TEXTS)


class RoundTrips(Contract):
    @pytest.fixture
    def _new_york(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """A server whose clock shows local time."""
        if not hasattr(time, "tzset"):
            pytest.fail("this system can't change a process's time zone: name it in left_out")
        monkeypatch.setenv("TZ", "America/New_York")
        time.tzset()
        yield
        monkeypatch.undo()
        time.tzset()

    @texts
    @check
    async def test_every_kind_of_item_comes_back(self, case: Case, text: str) -> None:
        """Items lose fields, or are refused, for what a user or a model wrote: PostgreSQL's text
        and jsonb take no null byte, and hand-written columns miss kinds of item."""
        thread = await case.saved_thread()
        added: list[ThreadItem] = []
        for sample in samples.thread_items(text):
            created_at = NOON + timedelta(seconds=len(added))
            own = {"id": case.new_id(), "thread_id": thread.id, "created_at": created_at}
            added.append(sample.model_copy(update=own))
            await case.store.add_thread_item(thread.id, added[-1], context=case.ada)

        loaded = await case.items(thread)

        assert [item.id for item in loaded] == [item.id for item in added]
        for item, found in zip(added, loaded, strict=True):
            assert type(found) is type(item)
            expected = wire(item)
            assert wire(found) == expected
            again = await case.store.load_item(thread.id, item.id, context=case.ada)
            assert wire(again) == expected

    @texts
    @check
    async def test_every_field_of_a_thread_comes_back(self, case: Case, text: str) -> None:
        """Titles, a lock's reason, image domains or nested metadata are lost or cut."""
        for sample in samples.threads(text):
            thread = await case.saved_thread(**sample.model_dump(exclude={"id"}))
            assert wire(await case.store.load_thread(thread.id, context=case.ada)) == wire(thread)

    @check
    async def test_saving_a_thread_again_replaces_what_changed(self, case: Case) -> None:
        """Every new thread gets its title by a second save: where that is a plain insert, each
        first answer ends in an error."""
        thread = await case.saved_thread(title="First", metadata={"step": 1, "gone": True})

        for status in (LockedStatus(reason="audit"), ClosedStatus()):
            thread.title, thread.status = None, status
            thread.metadata = {"step": 2}
            thread.allowed_image_domains = ["example.org"]
            await case.store.save_thread(thread, context=case.ada)
            assert wire(await case.store.load_thread(thread.id, context=case.ada)) == wire(thread)

    @check
    async def test_a_thread_is_kept_without_its_items(self, case: Case) -> None:
        """The SDK saves new threads as `Thread`, with a page of items: stored with it, each load
        brings an old page along."""
        bare = case.thread(title="T")
        thread = Thread(**bare.model_dump(), items=Page(data=[case.answer(bare)]))
        await case.store.save_thread(thread, context=case.ada)

        assert wire(await case.store.load_thread(thread.id, context=case.ada)) == wire(bare)

    @check
    async def test_large_items_come_back(self, case: Case) -> None:
        """A column's limit cuts long answers and deep results of tools."""
        thread = await case.saved_thread()
        long = await case.added_answer(thread, "long 🏳️‍🌈 " * 100_000)
        deep: Any = "bottom"
        for _ in range(80):
            deep = {"deeper": [deep]}
        nested = await case.saved_thread(metadata={"deep": deep})

        assert wire(await case.store.load_item(thread.id, long.id, context=case.ada)) == wire(long)
        assert wire(await case.store.load_thread(nested.id, context=case.ada)) == wire(nested)

    @check
    async def test_text_that_cannot_be_encoded_spoils_nothing(self, case: Case) -> None:
        """A model sends half of a surrogate pair; once stored, no page with it can ever be sent
        again, and the whole thread is lost to its reader."""
        thread = await case.saved_thread()
        before = await case.added_answer(thread)
        await case.is_refused(case.added_answer(thread, "half a pair \ud800"))
        after = await case.added_answer(thread)

        items = await case.items(thread)

        assert Page(data=items).model_dump_json()
        assert [items[0].id, items[-1].id] == [before.id, after.id]

    @pytest.mark.usefixtures("_new_york")
    @check
    async def test_times_are_instants_wherever_the_server_stands(self, case: Case) -> None:
        """The SDK makes naive local times; sent without an offset, browsers take them for their
        own local time, and servers in two zones sort each other's items wrongly."""
        local = datetime(2026, 7, 1, 12, 0)
        instant = datetime(2026, 7, 1, 16, 0, tzinfo=UTC)
        thread = await case.saved_thread(created_at=local)
        item = await case.added_answer(thread, created_at=local)

        found: list[Any] = [
            await case.store.load_thread(thread.id, context=case.ada),
            await case.store.load_item(thread.id, item.id, context=case.ada),
        ]

        for created_at in (entry.created_at for entry in found):
            assert created_at.tzinfo is not None, "a time without its zone says nothing"
            assert created_at == instant

    @pytest.mark.usefixtures("_new_york")
    @check
    async def test_the_hour_that_comes_twice_is_two_hours(self, case: Case) -> None:
        """When summer time ends, an hour of messages moves among those of the hour before."""
        summer = datetime(2026, 11, 1, 1, 30, fold=0)
        winter = summer.replace(fold=1)
        thread = await case.saved_thread()
        first = await case.added_answer(thread, created_at=summer)
        second = await case.added_answer(thread, created_at=winter)

        found = await case.items(thread)

        assert [item.id for item in found] == [first.id, second.id]
        assert found[1].created_at - found[0].created_at == timedelta(hours=1)

    @check
    async def test_what_was_loaded_belongs_to_the_caller(self, case: Case) -> None:
        """The SDK changes what it loaded in place: with shared objects a change shows to other
        requests before it is saved, or although it never is."""
        thread = await case.saved_thread(title="Saved", metadata={"list": [1]})
        item = await case.added_answer(thread, "Saved.")
        kept = wire(thread), wire(item)

        held: list[Any] = [thread, item, *await case.items(thread)]
        held += [await case.store.load_thread(thread.id, context=case.ada)]
        held += (await case.store.load_threads(5, None, "desc", context=case.ada)).data
        for entry in held:
            if isinstance(entry, ThreadMetadata):
                entry.title = "Not saved"
                entry.metadata["list"].append(2)
            else:
                entry.content[0].text = "Not saved."

        loaded = await case.store.load_thread(thread.id, context=case.ada)
        [found] = await case.items(thread)
        assert (wire(loaded), wire(found)) == kept

    @check
    async def test_everything_survives_a_restart(self, case: Case) -> None:
        """What is kept in the process is gone with it, and unknown to the next replica."""
        thread = await case.saved_thread(title="T")
        item = await case.added_answer(thread)
        attachment = case.attachment()
        await case.store.save_attachment(attachment, context=case.ada)

        async with case.open_another() as store:
            assert wire(await store.load_thread(thread.id, context=case.ada)) == wire(thread)
            assert wire(await store.load_item(thread.id, item.id, context=case.ada)) == wire(item)
            page = await store.load_threads(limit=5, after=None, order="asc", context=case.ada)
            assert [found.id for found in page.data] == [thread.id]
            found = await store.load_attachment(attachment.id, context=case.ada)
            assert wire(found) == wire(attachment)
