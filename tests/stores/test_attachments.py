"""An attachment's row, from its announcement until its bytes are gone."""

import asyncio
from datetime import timedelta

import pytest
from chatkit.store import NotFoundError

from chatkit_stores import PostgresStore
from tests.fixtures.postgres import ADA, BOB, execute, rows
from tests.stores.items import file_attachment, question, thread

FILE = file_attachment()


async def upload(store: PostgresStore, attachment_id: str = FILE.id) -> None:
    attachment = FILE.model_copy(update={"id": attachment_id})
    await store.save_attachment(attachment, ADA)
    assert await store.begin_upload("up", attachment_id, lease=60, context=ADA) == "begun"
    assert await store.finish_upload("up", attachment, size=3, context=ADA)


async def send(store: PostgresStore, thread_id: str = "thr_1", *ids: str) -> None:
    message = question(f"msg_{thread_id}", thread_id=thread_id)
    attachments = [FILE.model_copy(update={"id": id_}) for id_ in ids or (FILE.id,)]
    await store.begin_turn(
        f"turn_{thread_id}",
        thread(thread_id),
        message.model_copy(update={"attachments": attachments}),
        context=ADA,
    )


async def where(store: PostgresStore, attachment_id: str = FILE.id) -> str | None:
    return (await store.load_attachment(attachment_id, ADA)).thread_id


async def test_one_upload_at_a_time_writes_the_bytes(store: PostgresStore) -> None:
    await store.save_attachment(FILE, ADA)
    tries = [store.begin_upload(f"up_{n}", FILE.id, lease=60, context=ADA) for n in range(5)]

    begun = await asyncio.gather(*tries)

    assert sorted(begun) == ["begun", "busy", "busy", "busy", "busy"]
    winner = f"up_{begun.index('begun')}"
    loser = f"up_{begun.index('busy')}"
    assert not await store.finish_upload(loser, FILE, size=1, context=ADA)
    [found] = await store.load_attachments([FILE.id], context=ADA)
    assert not found.uploaded
    assert await store.finish_upload(winner, FILE, size=1, context=ADA)
    [found] = await store.load_attachments([FILE.id], context=ADA)
    assert found.uploaded
    assert await store.begin_upload("up_9", FILE.id, lease=60, context=ADA) == "uploaded"


async def test_an_upload_that_was_given_up_or_forgotten_can_be_tried_again(
    store: PostgresStore,
) -> None:
    await store.save_attachment(FILE, ADA)
    assert await store.begin_upload("up_1", FILE.id, lease=60, context=ADA) == "begun"
    await store.abandon_upload("up_1", FILE.id, context=ADA)
    assert await store.begin_upload("up_2", FILE.id, lease=0, context=ADA) == "begun"
    assert await store.begin_upload("up_3", FILE.id, lease=60, context=ADA) == "begun"
    assert not await store.finish_upload("up_2", FILE, size=1, context=ADA)


async def test_an_attachment_belongs_to_the_thread_of_the_message_that_carries_it(
    store: PostgresStore, direct_url: str
) -> None:
    await upload(store)
    assert await store.count_unsent_attachments(context=ADA) == 1
    await send(store)
    assert await where(store) == "thr_1"
    assert await store.count_unsent_attachments(context=ADA) == 0

    await send(store, "thr_2")
    assert await where(store) == "thr_1"


async def test_a_message_that_is_refused_takes_no_attachment(store: PostgresStore) -> None:
    await upload(store)
    await store.begin_turn("turn", thread(), None, context=ADA)
    message = question("msg_2").model_copy(update={"attachments": [FILE]})

    refused = await store.begin_turn("turn_2", "thr_1", message, context=ADA)

    assert refused.refusal == "busy"
    assert await where(store) is None


async def test_what_is_somebody_elses_is_not_found_and_not_taken(
    store: PostgresStore, direct_url: str
) -> None:
    await upload(store)
    before = await rows(direct_url, "select * from chatkit.attachments")

    with pytest.raises(NotFoundError):
        await store.begin_upload("up", FILE.id, lease=60, context=BOB)
    assert not await store.finish_upload("up", FILE, size=9, context=BOB)
    await store.abandon_upload("up", FILE.id, context=BOB)
    assert await store.load_attachments([FILE.id], context=BOB) == []
    assert await store.count_unsent_attachments(context=BOB) == 0
    message = question("msg_bob", thread_id="thr_bob").model_copy(update={"attachments": [FILE]})
    await store.begin_turn("turn", thread("thr_bob"), message, context=BOB)
    await store.delete_thread("thr_bob", BOB)

    assert await rows(direct_url, "select * from chatkit.attachments") == before


async def test_with_the_thread_its_attachments_go_and_leave_no_name(
    store: PostgresStore, direct_url: str
) -> None:
    await upload(store)
    await upload(store, "atc_other")
    await send(store)

    await store.delete_thread("thr_1", ADA)

    with pytest.raises(NotFoundError):
        await store.load_attachment(FILE.id, ADA)
    assert await store.begin_upload("up", "atc_other", lease=1, context=ADA) == "uploaded"
    left = await rows(direct_url, "select id, data::text from chatkit.attachments where deleted")
    assert left == [(FILE.id, "null")]
    assert await store.condemned_attachments(limit=9, context=BOB) == []
    assert await store.condemned_attachments(limit=9, context=ADA) == [FILE.id]
    await store.forget_attachments([FILE.id, "atc_other"])
    assert await store.condemned_attachments(limit=9) == []
    assert await where(store, "atc_other") is None


async def test_attachments_whose_bytes_are_elsewhere_go_at_once(
    store: PostgresStore, direct_url: str
) -> None:
    await store.save_thread(thread(), ADA)
    await store.save_attachment(FILE.model_copy(update={"thread_id": "thr_1"}), ADA)
    await store.save_attachment(file_attachment(attachment_id="atc_2"), ADA)

    await store.delete_thread("thr_1", ADA)

    assert await rows(direct_url, "select id from chatkit.attachments") == [("atc_2",)]


async def test_what_nobody_needs_is_condemned(store: PostgresStore, direct_url: str) -> None:
    for attachment_id in ("atc_sent", "atc_gone", "atc_new"):
        await upload(store, attachment_id)
    await store.save_attachment(file_attachment(attachment_id="atc_announced"), ADA)
    await send(store, "thr_1", "atc_sent")
    await send(store, "thr_2", "atc_gone")
    # As the docs tell an operator to remove a visitor.
    await execute(direct_url, "delete from chatkit.threads where id = 'thr_2'")
    await execute(
        direct_url,
        "update chatkit.attachments set created_at = now() - interval '24 hours 1 second' "
        "where id <> 'atc_new'",
    )

    assert await store.condemn_attachments(older_than=timedelta(hours=24))

    assert sorted(await store.condemned_attachments(limit=9)) == ["atc_announced", "atc_gone"]
    assert await where(store, "atc_sent") == "thr_1"
    # It can't be sent any more.
    await send(store, "thr_3", "atc_announced")
    with pytest.raises(NotFoundError):
        await store.load_attachment("atc_announced", ADA)


async def test_what_its_owner_takes_back_takes_no_bytes_any_more(store: PostgresStore) -> None:
    await store.save_attachment(FILE, ADA)
    assert await store.begin_upload("up", FILE.id, lease=60, context=ADA) == "begun"

    assert not await store.condemn_attachment(FILE.id, context=BOB)
    assert await store.condemn_attachment(FILE.id, context=ADA)

    assert not await store.finish_upload("up", FILE, size=1, context=ADA)
    assert await store.load_attachments([FILE.id], context=ADA) == []
    assert await store.condemned_attachments(limit=9, context=ADA) == [FILE.id]
    assert await store.condemn_attachment(FILE.id, context=ADA)
    await store.forget_attachments([FILE.id])
    assert not await store.condemn_attachment(FILE.id, context=ADA)


async def test_one_server_condemns_at_a_time(store: PostgresStore, direct_url: str) -> None:
    import psycopg

    await store.save_attachment(FILE, ADA)
    lock = int.from_bytes(b"attach", "big")
    async with await psycopg.AsyncConnection.connect(direct_url) as other:
        await other.execute("select pg_advisory_xact_lock(%s)", (lock,))
        assert not await store.condemn_attachments(older_than=timedelta())
        assert await store.condemned_attachments(limit=9) == []
        await other.rollback()
    assert await store.condemn_attachments(older_than=timedelta())
    assert await store.condemned_attachments(limit=9) == [FILE.id]
