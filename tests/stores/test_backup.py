"""The backup of the docs: dumped by pg_dump, restored elsewhere, read by the store."""

import subprocess
from collections.abc import Iterator

import pytest

from chatkit_stores import PostgresStore, migrate
from chatkit_stores.embedded import _find_programs
from chatkit_stores.testing.case import wire
from tests.fixtures.postgres import ADA, BOB, DatabaseServer, rows
from tests.stores.items import answer, items_of_every_kind, question, thread


@pytest.fixture
def direct_url(database_server: DatabaseServer) -> Iterator[str]:
    with database_server.fresh_database("migrated") as name:
        yield database_server.database(name)


@pytest.fixture
def empty_url(database_server: DatabaseServer) -> Iterator[str]:
    with database_server.fresh_database("template1") as name:
        yield database_server.database(name)


def run(program: str, *arguments: str) -> None:
    # Those of the embedded server: a client must not be older than the server.
    done = subprocess.run(
        [str(_find_programs() / program), *arguments], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr


async def test_a_backup_is_restored_into_another_database(
    direct_url: str, empty_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    backup = str(tmp_path_factory.mktemp("backup") / "chatkit.dump")
    async with PostgresStore.open(direct_url) as store:
        await store.save_thread(thread(title="Kept 🚀"), ADA)
        for item in items_of_every_kind("nul \0 nul"):
            await store.add_thread_item("thr_1", item, ADA)
        await store.add_feedback("thr_1", ["item_0"], "positive", context=ADA)
        before = (await store.load_thread_items("thr_1", None, 100, "asc", ADA)).data
        run("pg_dump", "--format=custom", "--schema=chatkit", f"--file={backup}", direct_url)
        # What comes after the backup is not in it.
        await store.add_thread_item("thr_1", question("msg_late"), ADA)

    run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={empty_url}", backup)

    assert await migrate(empty_url) == []
    async with PostgresStore.open(empty_url) as restored:
        assert (await restored.load_thread("thr_1", ADA)).title == "Kept 🚀"
        page = await restored.load_thread_items("thr_1", None, 100, "asc", ADA)
        assert list(map(wire, page.data)) == list(map(wire, before))
        assert (await restored.load_threads(10, None, "asc", BOB)).data == []
        assert await rows(empty_url, "select kind from chatkit.feedback") == [("positive",)]
        # Places go on behind those that were restored.
        await restored.begin_turn("turn_9", "thr_1", question("msg_9"), context=ADA)
        await restored.finish_turn("turn_9", "thr_1", items=[answer("ans_9")], context=ADA)
        page = await restored.load_thread_items("thr_1", None, 2, "desc", ADA)
        assert [item.id for item in page.data] == ["ans_9", "msg_9"]
