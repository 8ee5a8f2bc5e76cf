"""Two users, every method: what is Ada's does not exist for Bob."""

from collections.abc import Awaitable, Callable

import pytest
from chatkit.store import NotFoundError, Store
from chatkit.types import LockedStatus

from chatkit_stores import IdTakenError, PostgresStore
from tests.fixtures.postgres import ADA, BOB, rows
from tests.stores.items import answer, file_attachment, question, thread

Call = Callable[[PostgresStore], Awaitable[object]]

# The methods of every store are tried by the contract, in `test_conformance.py`.
BOBS_CALLS: dict[str, Call] = {
    "update_thread": lambda store: store.update_thread("thr_1", {"title": "Bob's"}, context=BOB),
    "add_feedback": lambda store: store.add_feedback("thr_1", ["msg_1"], "negative", context=BOB),
    "begin_upload": lambda store: store.begin_upload("up", "atc_file", lease=60, context=BOB),
    "stop_turn": lambda store: store.stop_turn("thr_1", context=BOB),
    "load_turn": lambda store: store.load_turn("thr_1", context=BOB),
    "begin_turn": lambda store: store.begin_turn(
        "turn_bob", "thr_1", question("msg_bob"), context=BOB
    ),
    "begin_turn anew": lambda store: store.begin_turn(
        "turn_bob", thread(title="Bob's"), question("msg_bob"), context=BOB
    ),
}


@pytest.fixture(autouse=True)
async def _ada(store: PostgresStore) -> None:
    await store.save_thread(thread(title="Ada's"), ADA)
    await store.add_thread_item("thr_1", answer("msg_1", "Ada's"), ADA)
    await store.save_attachment(file_attachment("Ada's"), ADA)


async def test_nothing_of_somebody_elses_is_found_or_changed(
    store: PostgresStore, direct_url: str
) -> None:
    before = await _everything(direct_url)

    for name, call in BOBS_CALLS.items():
        with pytest.raises(NotFoundError, match=r"thr_1|msg_1|atc_file"):
            await call(store)
        assert await _everything(direct_url) == before, name


async def test_a_turn_of_somebody_elses_is_neither_renewed_nor_finished(
    store: PostgresStore, direct_url: str
) -> None:
    await store.begin_turn("turn", "thr_1", None, context=ADA)
    before = await _everything(direct_url)

    assert not await store.checkpoint_turn("turn", "thr_1", context=BOB)
    items = [answer("msg_bob")]
    assert await store.finish_turn("turn", "thr_1", items=items, context=BOB) is None
    changes = {"title": "Bob's", "status": LockedStatus()}
    for place in ("thr_1", thread(title="Bob's")):
        restored = await store.restore_turn(
            "turn",
            place,
            items=items,
            removed=["msg_1"],
            replace_after="msg_1",
            changes=changes,
            default_title="Bob's",
            context=BOB,
        )
        assert restored == "rejected"

    assert await _everything(direct_url) == before


async def test_somebody_elses_item_id_is_never_overwritten(
    store: PostgresStore, direct_url: str
) -> None:
    await store.save_thread(thread("thr_bob"), BOB)
    await store.begin_turn("turn", "thr_bob", None, context=BOB)
    before = await _everything(direct_url)
    mine = answer("msg_1", "Bob's", thread_id="thr_bob")

    with pytest.raises(IdTakenError):
        await store.add_thread_item("thr_bob", mine, BOB)
    with pytest.raises(IdTakenError):
        await store.save_item("thr_bob", mine, BOB)
    with pytest.raises(IdTakenError):
        await store.finish_turn("turn", "thr_bob", items=[answer("new"), mine], context=BOB)
    with pytest.raises(IdTakenError):
        await store.begin_turn("turn", thread("thr_new"), question("msg_1"), context=BOB)
    for place in ("thr_bob", thread("thr_new")):
        restored = await store.restore_turn("turn", place, items=[answer("new"), mine], context=BOB)
        assert restored == "rejected"

    assert await _everything(direct_url) == before


def test_every_public_method_is_tried_by_both_users() -> None:
    elsewhere = {
        "checkpoint_turn", "finish_turn", "restore_turn",
        # in test_attachments.py
        "load_attachments", "count_unsent_attachments", "finish_upload", "abandon_upload",
        "condemned_attachments", "condemn_attachment",
        # in test_removals.py and test_dump.py
        "erase_user", "dump_user",
    }  # fmt: skip
    everybodys = {
        "condemn_attachments", "forget_attachments",
        # in test_answering.py
        "load_answering", "set_answering", "add_usage",
        # in test_unanswered.py
        "load_unanswered",
        # for who runs the site: in test_removals.py and test_dump.py
        "find_threads", "count_threads", "load_summaries", "delete_threads", "delete_unused",
        "forget_deleted",
        "take_chore", "keep_chore", "end_chore",
        "dump_threads", "check_lines", "take_lines",
    }  # fmt: skip
    without_rows = {
        "open", "ping", "is_away", "pool_state", "found_again", "generate_thread_id",
        "generate_item_id",
    }  # fmt: skip
    methods = {name for name in dir(PostgresStore) if not name.startswith("_")}

    tried = {name.split()[0] for name in BOBS_CALLS}
    assert methods == tried | elsewhere | everybodys | without_rows | Store.__abstractmethods__


async def _everything(dsn: str) -> list[list[tuple[object, ...]]]:
    return [
        await rows(dsn, f"select t::text from chatkit.{table} t order by id")
        for table in ("threads", "items", "attachments")
    ]
