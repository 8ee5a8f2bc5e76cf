"""The engine is started by whoever needs it, shared, brought back after a crash, and goes."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from chatkit_tools import CollectionError, Passages, SearchUnavailableError
from chatkit_tools.connection import connect_engine
from chatkit_tools.launcher import EngineError, connect, socket_path, start_engine
from chatkit_tools.shard import RequestError, Shards


def find_engines(folder: Path) -> list[psutil.Process]:
    """The engine processes of one folder, those that are still starting included."""
    command = ["-m", "chatkit_tools.engine", str(folder.resolve())]
    found = []
    for process in psutil.process_iter():
        try:
            if process.cmdline()[-3:] == command and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data" / "search"
    yield folder
    for engine in find_engines(folder):
        # It may leave by itself just now.
        with contextlib.suppress(psutil.NoSuchProcess):
            engine.terminate()
            engine.wait(60)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[None]:
    """An engine that has answered, so that all of its start is over, and stays meanwhile."""
    async with connect_engine(folder) as engine:
        await engine.send("GET", "/collections/docs")
        yield


async def test_only_the_user_may_connect(folder: Path) -> None:
    async with running(folder):
        assert stat.S_IMODE(socket_path(folder).stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_a_long_path_gets_a_socket_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / ("long-" * 30)
    path = socket_path(folder)

    async with running(folder):
        connect(folder).close()

        assert len(os.fsencode(path)) < 108
        assert path.parent.stat().st_uid == os.getuid()
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        (engine,) = find_engines(folder)
        engine.terminate()
        engine.wait(60)
        assert not path.exists()


async def test_what_lies_where_the_user_is_is_not_imported(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("logging", "json", "socketserver"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported by mistake')")
    monkeypatch.chdir(tmp_path)

    async with running(folder):
        (engine,) = find_engines(folder)
        assert engine.cwd() == "/"


async def test_a_race_of_starts_ends_with_one_engine(folder: Path) -> None:
    command = [sys.executable, "-m", "chatkit_tools.engine", str(folder)]
    starts = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(5)]

    # One more, which keeps the engine there while the others end.
    async with running(folder):
        for start in starts:
            _, said = await asyncio.to_thread(start.communicate, timeout=120)
            assert (start.returncode, said) == (0, b"")

        assert len(find_engines(folder)) == 1


async def test_a_stale_socket_is_replaced(folder: Path) -> None:
    folder.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(socket_path(folder)))
    with pytest.raises(ConnectionRefusedError):
        connect(folder)

    async with running(folder):
        connect(folder).close()


async def test_two_clients_share_one_engine(folder: Path, docs_folder: Path) -> None:
    async with (
        Passages.open(data_dir=folder.parent) as first,
        Passages.open(data_dir=folder.parent) as second,
    ):
        await asyncio.gather(first.ping(), second.ping())
        indexing = asyncio.create_task(first.index(docs_folder))
        while not indexing.done():
            await second.search("kill switch")
        await indexing

        assert (await second.search("kill switch"))[0].headings == ("Kill switch",)
        assert len(find_engines(folder)) == 1


async def test_a_killed_engine_is_started_again_with_its_data(
    folder: Path, docs_folder: Path
) -> None:
    async with Passages.open(data_dir=folder.parent) as passages:
        await passages.index(docs_folder)
        before = await passages.search("kill switch")
        (engine,) = find_engines(folder)
        engine.kill()
        engine.wait(60)

        assert await passages.search("kill switch") == before
        assert await passages.count() == 9
        assert find_engines(folder) != [engine]


async def test_an_engine_killed_in_the_middle_of_indexing_does_no_harm(
    folder: Path, tmp_path: Path
) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    for number in range(300):
        (pages / f"page-{number}.md").write_text(f"# Page {number}\n\nWord{number} and more.")
    killed: list[int] = []

    def kill_once(done: int, total: int | None) -> None:
        if not killed:
            (engine,) = find_engines(folder)
            engine.kill()
            engine.wait(60)
            killed.append(done)

    async with Passages.open(data_dir=folder.parent) as passages:
        summary = await passages.index(pages, progress=kill_once)

        assert 0 < killed[0] < 300
        assert summary.passages == 300
        assert (await passages.index(pages)).unchanged == 300
        assert [hit.title for hit in await passages.search("word7")] == ["Page 7"]


async def test_the_engine_goes_after_its_last_client(folder: Path) -> None:
    async with Passages.open(data_dir=folder.parent) as passages:
        await passages.ping()
        (engine,) = find_engines(folder)

    engine.wait(120)

    assert not socket_path(folder).exists()


def test_a_client_that_was_killed_does_not_hold_the_engine(folder: Path) -> None:
    script = (
        "import asyncio, pathlib, sys\n"
        "from chatkit_tools import Passages\n"
        "async def main():\n"
        "    async with Passages.open(data_dir=pathlib.Path(sys.argv[1])) as passages:\n"
        "        await passages.ping()\n"
        "        print('connected', flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder.parent)], stdout=subprocess.PIPE
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"connected\n"
        (engine,) = find_engines(folder)
        client.send_signal(signal.SIGKILL)
        client.wait(60)

    engine.wait(120)


async def test_an_engine_that_cannot_start_is_a_search_that_is_away(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")

    with pytest.raises(EngineError, match="did not start"):
        start_engine(tmp_path / "data" / "search")
    async with Passages.open(data_dir=tmp_path / "data") as passages:
        with pytest.raises(SearchUnavailableError, match="the search engine of"):
            await passages.ping()


async def test_an_engine_that_ends_in_the_middle_says_why(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir(parents=True)
    log = folder / "engine.log"
    log.write_text("Fatal Python error: Bus error\n\nThread 1:\n  File x\n")
    # As recent as it is, however long the test takes.
    os.utime(log, (soon := time.time() + 3600, soon))

    async def end(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with (
        await asyncio.start_unix_server(end, socket_path(folder)),
        connect_engine(folder) as engine,
    ):
        with pytest.raises(SearchUnavailableError, match="ended: Fatal Python error: Bus"):
            await engine.send("GET", "/collections/docs")
        monkeypatch.setattr(shutil, "disk_usage", nearly_full)
        with pytest.raises(SearchUnavailableError, match=r"the disk is full \(3 MB left\)"):
            await engine.send("GET", "/collections/docs")


def nearly_full(_: object) -> SimpleNamespace:
    return SimpleNamespace(free=3_000_000)


def test_a_nearly_full_disk_is_not_written_to_and_still_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = Shards(tmp_path)
    vector = {"lexical": {"indices": [1], "values": [1.0]}}
    points = [{"id": 1, "vector": vector, "payload": {"text": "walrus"}}]
    query = {"query": vector["lexical"], "using": "lexical", "limit": 1}
    path = "/collections/docs"
    shards.call("PUT", path, {"sparse_vectors": {"lexical": {}}})
    shards.call("PUT", f"{path}/points", {"points": points})

    monkeypatch.setattr(shutil, "disk_usage", nearly_full)
    for method, target, body in (
        ("PUT", f"{path}/points", {"points": points}),
        ("PUT", f"{path}/points/vectors", {"points": points}),
        ("PUT", "/collections/other", {"sparse_vectors": {"lexical": {}}}),
    ):
        with pytest.raises(RequestError, match=r"full \(3 MB left\)") as refused:
            shards.call(method, target, body)
        assert refused.value.status == 507
    # What is there is as it was, and needs no copy.
    assert shards.call("PATCH", path, {"optimizers_config": {}})
    (found,) = shards.call("POST", f"{path}/points/query/batch", {"searches": [query]})
    assert len(found["points"]) == 1

    monkeypatch.undo()
    shards.call("PUT", "/collections/other", {"sparse_vectors": {"lexical": {}}})
    shards.close()


async def test_the_engine_refuses_what_it_does_not_know(folder: Path) -> None:
    async with connect_engine(folder) as engine:
        assert await engine.send("GET", "/collections/none") is None
        assert await engine.send("GET", "/telemetry") is None
        with pytest.raises(CollectionError, match="is no collection name"):
            await engine.send("GET", "/collections/..%2f..")
        await engine.send("PUT", "/collections/a", {"sparse_vectors": {"lexical": {}}})
        with pytest.raises(CollectionError, match="already exists"):
            await engine.send("PUT", "/collections/a", {"sparse_vectors": {"lexical": {}}})
        with pytest.raises(CollectionError, match="points"):
            await engine.send("PUT", "/collections/a/points", {"nothing": []})
        with pytest.raises(CollectionError):
            await engine.send(
                "PUT", "/collections/a/points", {"points": [{"id": "x", "vector": {}}]}
            )
        assert await engine.send("POST", "/collections/a/points", {"ids": []}) == []


def test_the_engine_imports_little() -> None:
    script = "import sys, chatkit_tools.engine; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()

    heavy = {"agents", "openai", "qdrant_client", "httpx", "pydantic", "markdown_it", "yaml"}
    assert heavy & set(modules) == set()


def test_searching_imports_no_agent() -> None:
    script = (
        "import sys; from chatkit_tools import Hit, IndexSummary, Passages; print(*sys.modules)"
    )
    modules = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()

    assert {"agents", "openai", "qdrant_client", "mcp"} & set(modules) == set()


@pytest.mark.parametrize("leaves", [1, 2])
async def test_an_engine_that_leaves_before_it_is_joined_is_started_once_more(
    folder: Path, monkeypatch: pytest.MonkeyPatch, leaves: int
) -> None:
    starts = []

    def start_and_lose(folder: Path) -> None:
        start_engine(folder)
        starts.append(folder)
        if len(starts) <= leaves:
            (engine,) = find_engines(folder)
            engine.terminate()
            engine.wait(60)

    monkeypatch.setattr("chatkit_tools.connection.start_engine", start_and_lose)
    async with connect_engine(folder) as engine:
        if leaves == 1:
            assert await engine.send("GET", "/collections/docs") is None
        else:
            with pytest.raises(SearchUnavailableError, match="is gone again"):
                await engine.send("GET", "/collections/docs")

    assert len(starts) == 2
