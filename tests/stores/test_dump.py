"""A dump holds everything, and brings it into another store as it was."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from chatkit.types import (
    HiddenContextItem,
    ImageAttachment,
    LockedStatus,
    ThreadItem,
    ThreadMetadata,
)

from chatkit_stores import PostgresStore, Selection
from chatkit_stores.intake import Known, Problem, Taken
from chatkit_stores.testing.case import wire
from tests.fixtures.postgres import ADA, BOB, DatabaseServer, User, rows
from tests.stores.items import NOON, answer, file_attachment, items_of_every_kind, question

UPLOADED = "atc_" + "0123456789abcdef" * 2
ALL = Selection()


async def dump(store: PostgresStore, selection: Selection = ALL, **options: Any) -> list[bytes]:
    text = "".join([piece.lines async for piece in store.dump_threads(selection, **options)])
    return text.encode().splitlines(keepends=True)


async def take(
    store: PostgresStore, lines: Sequence[bytes], *, batch: int = 7, undelete: bool = False
) -> tuple[Taken, list[Problem]]:
    """What is good of the lines, as the command does it: all are checked, then taken."""
    numbered = list(enumerate(lines, 1))
    seen, known, taken = Known(), Known(), Taken()
    problems, good = [], []
    for start in range(0, len(numbered), batch):
        found, wrong = await store.check_lines(
            numbered[start : start + batch], seen, undelete=undelete
        )
        good += found
        problems += wrong
    for start in range(0, len(good), batch):
        taken.add(await store.take_lines(good[start : start + batch], known, undelete=undelete))
    return taken, problems


async def threads_of(store: PostgresStore, user: User, order: str = "asc") -> list[str]:
    """By pages of two."""
    found: list[str] = []
    after = None
    while True:
        page = await store.load_threads(2, after, order, user)
        found += [thread.id for thread in page.data]
        if (after := page.after) is None:
            return found


async def items_of(store: PostgresStore, thread_id: str, user: User) -> list[ThreadItem]:
    page = await store.load_thread_items(thread_id, None, 1000, "asc", user)
    return page.data


@pytest.fixture
def other_url(database_server: DatabaseServer) -> Iterator[str]:
    with database_server.fresh_database("migrated") as name:
        yield database_server.database(name)


async def fill(store: PostgresStore) -> None:
    """Two users, every kind of item, files, verdicts, and what nobody is to see again."""
    text = "Zeilen\nund 🚀 \0 nul"
    locked = ThreadMetadata(
        id="thr_1", created_at=NOON, title=text, status=LockedStatus(reason="Why not"),
        allowed_image_domains=["a.example"], metadata={"private": 1},
    )  # fmt: skip
    await store.save_thread(locked, ADA)
    for item in items_of_every_kind(text):
        await store.add_thread_item("thr_1", item, ADA)
    await store.add_feedback("thr_1", ["item_0"], "negative", context=ADA)
    same_time = [f"thr_z{n}" for n in (3, 1, 2)]
    for thread_id in same_time:
        await store.save_thread(ThreadMetadata(id=thread_id, created_at=NOON), BOB)
    long = [answer(f"msg_{n}", str(n), thread_id="thr_z1") for n in range(450)]
    for item in long:
        await store.add_thread_item("thr_z1", item, BOB)
    await store.delete_thread_item("thr_z1", "msg_7", BOB)
    image = ImageAttachment(
        id=UPLOADED, name="a.png", mime_type="image/png", metadata={"m": 1},
        preview_url=f"attachment:{UPLOADED}", thread_id="thr_z1",
    )  # fmt: skip
    await store.save_attachment(image, BOB)
    assert await store.begin_upload("up", UPLOADED, lease=60, context=BOB) == "begun"
    assert await store.finish_upload("up", image, size=3, context=BOB)
    await store.save_attachment(file_attachment(), BOB)
    await store.save_thread(ThreadMetadata(id="thr_gone", created_at=NOON), BOB)
    await store.delete_thread("thr_gone", BOB)


async def test_a_dump_makes_the_same_store_again(store: PostgresStore, other_url: str) -> None:
    await fill(store)
    lines = await dump(store)

    async with PostgresStore.open(other_url) as other:
        taken, problems = await take(other, lines)

        assert problems == []
        every = len(items_of_every_kind(""))
        assert (taken.threads, taken.items, taken.attachments) == (4, every + 449, 1)
        for thread_id, user in [("thr_1", ADA), ("thr_z1", BOB), ("thr_z2", BOB)]:
            before = await store.load_thread(thread_id, user)
            assert wire(await other.load_thread(thread_id, user)) == wire(before)
            assert list(map(wire, await items_of(other, thread_id, user))) == list(
                map(wire, await items_of(store, thread_id, user))
            )
        [file] = await other.load_attachments([UPLOADED], context=BOB)
        assert (file.uploaded, file.attachment.thread_id) == (True, "thr_z1")
        assert await rows(other_url, "select item_id, user_id, kind from chatkit.feedback") == [
            ("item_0", "ada", "negative")
        ]
        assert sorted(await dump(other)) == sorted(lines)


async def test_a_thread_of_large_items_comes_in_pieces(store: PostgresStore) -> None:
    """Such as images in their own data: a reader's export must not fill a server's memory."""
    await store.save_thread(ThreadMetadata(id="thr_1", created_at=NOON), ADA)
    sizes = [1, 400_000, 400_000, 400_000, 2_000_000, 1, 1]
    for number, size in enumerate(sizes):
        await store.add_thread_item("thr_1", answer(f"msg_{number}", "x" * size), ADA)

    pieces = [piece async for piece in store.dump_threads(ALL)]

    assert [piece.begins for piece in pieces] == [True, *[False] * (len(pieces) - 1)]
    # Up to a megabyte, and the item with which it is more.
    assert [piece.lines.count("\n") for piece in pieces] == [1 + 4, 1, 2]
    found = [json.loads(line) for piece in pieces for line in piece.lines.splitlines()[-7:]]
    items = [line["item"]["id"] for line in found if line["type"] == "item"]
    assert items == [f"msg_{number}" for number in range(len(sizes))]


async def test_a_dump_is_taken_in_again_without_effect(
    store: PostgresStore, other_url: str
) -> None:
    await fill(store)
    lines = await dump(store)

    async with PostgresStore.open(other_url) as other:
        # As if it had been broken off in the middle.
        await take(other, lines[: len(lines) // 2])
        await take(other, lines)
        await other.update_thread("thr_1", {"title": "Renamed"}, context=ADA)
        taken, problems = await take(other, lines)

        assert problems == []
        assert (taken.threads, taken.items, taken.attachments) == (0, 0, 0)
        assert taken.present == len(lines)
        assert (await other.load_thread("thr_1", ADA)).title == "Renamed"
        assert await threads_of(other, BOB) == await threads_of(store, BOB)


async def test_imported_threads_stand_before_those_made_here(store: PostgresStore) -> None:
    await store.save_thread(ThreadMetadata(id="thr_here", created_at=NOON), ADA)
    times = [NOON - timedelta(days=days) for days in (1, 30, 1, 7)]
    lines = [_thread(f"thr_{n}", created_at=time.isoformat()) for n, time in enumerate(times)]

    await take(store, lines)

    # By time, and those of one time as they stood in the file.
    expected = ["thr_1", "thr_3", "thr_0", "thr_2", "thr_here"]
    assert await threads_of(store, ADA) == expected
    assert await threads_of(store, ADA, "desc") == expected[::-1]


async def test_threads_of_one_time_from_several_files_are_each_on_one_page(
    store: PostgresStore,
) -> None:
    names = [f"thr_{n}" for n in range(5)]
    for name in names:
        await take(store, [_thread(name)])

    assert await threads_of(store, ADA) == names
    assert await threads_of(store, ADA, "desc") == names[::-1]


async def test_a_dump_is_of_what_was_chosen(store: PostgresStore) -> None:
    await fill(store)
    lately = ThreadMetadata(id="thr_lately", created_at=datetime.now(UTC))
    await store.save_thread(lately, BOB)

    def ids(lines: list[bytes]) -> set[str]:
        return {line["id"] for line in map(json.loads, lines) if line["type"] == "thread"}

    assert ids(await dump(store, Selection(user_id="ada"))) == {"thr_1"}
    assert ids(await dump(store, Selection(user_id="bob", thread_ids=["thr_1", "thr_z2"]))) == {
        "thr_z2"
    }
    assert ids(await dump(store, Selection(thread_ids=["thr_lately", "thr_gone"]))) == {
        "thr_lately"
    }
    old = Selection(user_id="bob", unused_for=timedelta(minutes=5))
    assert "thr_lately" not in ids(await dump(store, old))


async def test_readers_get_what_is_theirs_to_see(store: PostgresStore) -> None:
    await fill(store)
    secret = HiddenContextItem(
        id="hid_1", thread_id="thr_z2", created_at=NOON, content="for the model alone"
    )
    await store.add_thread_item("thr_z2", secret, BOB)

    text = "".join([lines async for lines in store.dump_user(context=BOB)])

    found = [json.loads(line) for line in text.splitlines()]
    assert {line["id"] for line in found if line["type"] == "thread"} == {
        "thr_z1", "thr_z2", "thr_z3",
    }  # fmt: skip
    assert len([line for line in found if line["type"] == "item"]) == 449
    files = {line["attachment"]["id"]: line for line in found if line["type"] == "attachment"}
    assert set(files) == {UPLOADED, "atc_file"}
    assert files[UPLOADED]["uploaded"]
    for private in ("for the model alone", "metadata", "preview_url", "thr_1"):
        assert private not in text


async def test_what_was_deleted_here_stays_so_unless_it_is_asked_for(
    store: PostgresStore,
) -> None:
    await fill(store)
    lines = await dump(store)
    async for _ in store.delete_threads(Selection(thread_ids=["thr_1"])):
        pass
    await store.erase_user(context=BOB)

    taken, problems = await take(store, lines)
    assert (problems, taken.threads, taken.items) == ([], 0, 0)
    taken, problems = await take(store, lines, undelete=True)

    assert (problems, taken.threads) == ([], 1)
    assert len(await items_of(store, "thr_1", ADA)) == len(items_of_every_kind(""))
    assert await threads_of(store, BOB) == []


def _thread(thread_id: str = "thr_9", user: str = "ada", **fields: Any) -> bytes:
    line = {"type": "thread", "id": thread_id, "user_id": user}
    return json.dumps({**line, "created_at": "2026-11-20T12:00:00Z", **fields}).encode()


def _item(item_id: str = "msg_9", thread_id: str = "thr_9", **fields: Any) -> bytes:
    item = question(item_id, "A secret", thread_id=thread_id).model_dump(mode="json")
    return json.dumps({"type": "item", "item": {**item, **fields}}).encode()


def _file(**fields: Any) -> bytes:
    line = {"type": "attachment", "user_id": "ada", "created_at": "2026-11-20T12:00:00Z"}
    file = file_attachment().model_dump(mode="json")
    return json.dumps({**line, "attachment": file, **fields}).encode()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "line 2: it is not JSON"),
        (b"[]", "line 2: Input should be an object"),
        (b'{"id": "thr"}', "line 2: type: it is missing; it is thread, item or attachment"),
        (b'{"type": "user"}', "line 2: type: it must be thread, item or attachment"),
        (_thread("thr_8", user=""), "line 2: user_id: "),
        (_thread("thr_8", title=7), "line 2: title: Input should be a valid string"),
        (_thread("thr_8", owner="x"), "line 2: owner: Extra inputs are not permitted"),
        (
            _thread("thr_8", created_at="2026-11-20T12:00"),
            "line 2: created_at: it has no time zone",
        ),
        (_item(created_at="2026-11-20T12:00"), "line 2: item.created_at: it has no time zone"),
        (
            _thread("thr_8", created_at="0001-01-01T00:00:00+02:00"),
            "line 2: created_at: Value error, it must lie between 1970 and 2254",
        ),
        (
            _thread("thr_8", created_at="9999-12-31T12:00:00Z"),
            "line 2: created_at: Value error, it must lie between 1970 and 2254",
        ),
        (
            _item(created_at="9999-12-31T23:59:59-05:00"),
            "line 2: item.created_at: it must lie between 1970 and 2254",
        ),
        (_file(size=2**63), "line 2: size: Input should be less than"),
        (_item(created_at="soon"), "line 2: item.created_at: Input should be a valid datetime"),
        (_item(content=[{"type": "x"}]), "line 2: item.content.0: "),
        (_item(thread_id="thr_8"), "line 2: item.thread_id: there is no thread with this id"),
        (_item(""), "line 2: item.id: it must have 1 to 500 characters"),
        (_thread(user="bob"), "line 2: user_id: a thread with this id belongs to another user"),
        (_thread("thr_bob"), "line 2: user_id: a thread with this id belongs to another user"),
        (_item("msg_bob"), "line 2: item.id: another thread has an item with this id"),
    ],
)
async def test_a_bad_line_is_named_with_its_field_and_others_are_good(
    store: PostgresStore, line: bytes, said: str
) -> None:
    await store.save_thread(ThreadMetadata(id="thr_bob", created_at=NOON), BOB)
    await store.add_thread_item("thr_bob", question("msg_bob", thread_id="thr_bob"), BOB)

    taken, problems = await take(store, [_thread(), line, _item()])

    assert [str(problem)[: len(said)] for problem in problems] == [said]
    assert "secret" not in str(problems[0])
    assert (taken.threads, taken.items) == (1, 1)
    assert len(await items_of(store, "thr_bob", BOB)) == 1


async def test_a_file_of_somebody_else_is_refused(store: PostgresStore) -> None:
    await fill(store)
    attachment = file_attachment().model_dump(mode="json")
    times = {"created_at": "2026-11-20T12:00:00Z"}

    def line(**fields: Any) -> bytes:
        whole = {"type": "attachment", "user_id": "ada", "attachment": attachment, **times}
        return json.dumps({**whole, **fields}).encode()

    _, problems = await take(
        store,
        [
            line(),
            line(attachment={**attachment, "id": "atc_x"}, thread_id="thr_z1"),
            line(attachment={**attachment, "id": "atc_x"}, uploaded=True),
        ],
    )

    assert [(problem.line, problem.field) for problem in problems] == [
        (1, "user_id"),
        (2, "user_id"),
        (3, "attachment.id"),
    ]
