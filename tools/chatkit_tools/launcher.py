"""Finds the search engine of a data folder, and starts it where none runs."""

import hashlib
import os
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

# A socket's address has room for 108 bytes on Linux and 104 on macOS, the closing null included.
_MAX_SOCKET_PATH = 100
_START_TIMEOUT = 30.0


class EngineError(ConnectionError):
    """The search engine could not be started."""


def socket_path(folder: Path) -> Path:
    """Return where the engine of `folder` listens.

    That is in the folder itself, or in a folder of the user's own below the system's temporary
    one where the folder's path is too long for a socket.
    """
    folder = folder.resolve()
    path = folder / "engine.sock"
    if len(os.fsencode(path)) <= _MAX_SOCKET_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return _own_folder() / f"{digest}.sock"


def connect(folder: Path) -> socket.socket:
    """Connect to the engine of `folder`, or raise `OSError`."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(socket_path(folder)))
    except BaseException:
        connection.close()
        raise
    return connection


def start_engine(folder: Path) -> None:
    """Return once an engine listens for `folder`, started now or before; blocks meanwhile."""
    # Without -P a `logging.py` or `http/` where the user happens to be would be imported.
    command = [sys.executable, "-P", "-m", "chatkit_tools.engine", str(folder.resolve())]
    try:
        started = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_START_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise EngineError(f"the search engine for {folder} did not start: {exc}") from exc
    if started.returncode:
        said = started.stderr.strip().splitlines()
        reason = said[-1] if said else f"exit status {started.returncode}"
        raise EngineError(f"the search engine for {folder} did not start: {reason}")


def _own_folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"chatkit-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    # Anybody may have made it before us, to listen in our place.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise EngineError(f"{folder} must be a folder of your own that nobody else may enter")
    return folder
