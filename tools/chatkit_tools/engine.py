"""The embedded search engine: `python -m chatkit_tools.engine FOLDER`.

One process owns a folder's shards, because the engine allows one and because it holds Python's
lock while it works. It answers over a Unix socket in Qdrant's REST interface, starts in the
background, and ends by itself a moment after its last client has gone: every client keeps a
connection open, and the kernel closes that even for a client that was killed.
"""

import argparse
import contextlib
import faulthandler
import fcntl
import logging
import os
import signal
import socket
import sys
import threading
import time
from http import HTTPStatus
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingMixIn, UnixStreamServer
from typing import Any

import orjson

from chatkit_tools.launcher import connect, socket_path
from chatkit_tools.shard import RequestError, Shards

logger = logging.getLogger("chatkit_tools.engine")

_IDLE = 3.0
# The first client may be slow to come: it waits for the starting process before it connects.
_IDLE_AT_START = 10.0
_LOCK_TIMEOUT = 20.0
_MAX_LOG_BYTES = 1_000_000
_POLL = 0.2
_MAX_LINE = 65_536


class _Handler(StreamRequestHandler):
    """Reads requests one after another, as plain as they come from our client and from curl.

    `http.server` spends more time on a request than the engine on a search.
    """

    server: "EngineServer"

    def handle(self) -> None:
        while line := self.rfile.readline(_MAX_LINE):
            headers: dict[bytes, bytes] = {}
            while header := self.rfile.readline(_MAX_LINE).strip():
                name, _, value = header.partition(b":")
                headers[name.strip().lower()] = value.strip()
            try:
                method, target, _ = line.decode("ascii").split()
                data = self.rfile.read(int(headers.get(b"content-length", 0)))
            except ValueError:
                self._send(400, {"status": {"error": "this is no HTTP request"}})
                return
            self._send(*self._answer(method, target.partition("?")[0], data))
            if headers.get(b"connection", b"").lower() == b"close":
                return

    def _answer(self, method: str, path: str, data: bytes) -> tuple[int, dict[str, Any]]:
        started = time.perf_counter()
        try:
            body = orjson.loads(data) if data else {}
            result = self.server.shards.call(method, path, body)
        except RequestError as exc:
            return exc.status, {"status": {"error": str(exc)}}
        except ValueError as exc:
            return 400, {"status": {"error": f"Format error in JSON body: {exc}"}}
        except Exception as exc:
            logger.exception("%s %s failed", method, path)
            return 500, {"status": {"error": f"{type(exc).__name__}: {exc}"}}
        return 200, {"result": result, "status": "ok", "time": time.perf_counter() - started}

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        content = orjson.dumps(answer)
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        self.wfile.write(head.encode("ascii") + content)


class EngineServer(ThreadingMixIn, UnixStreamServer):
    """A thread for each connection, and a count of them."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    timeout = _POLL

    def __init__(self, listener: socket.socket, shards: Shards) -> None:
        super().__init__(listener.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.shards = shards
        self._lock = threading.Lock()
        self._connections = 0
        self._idle_until = time.monotonic() + _IDLE_AT_START

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._lock:
            self._connections -= 1
            self._idle_until = time.monotonic() + _IDLE

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that goes in the middle of an answer is nothing to report.
        if not isinstance(sys.exception(), ConnectionError):
            logger.exception("a connection failed")

    def is_idle(self) -> bool:
        """Tell whether nobody has been connected for a while."""
        with self._lock:
            return not self._connections and time.monotonic() > self._idle_until


def _take_lock(folder: Path) -> int | None:
    """Become the one engine of `folder`; None when another process already is, and listens."""
    lock = os.open(folder / "engine.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _LOCK_TIMEOUT
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        # The holder is starting, running or on its way out; only the second can be joined.
        with contextlib.suppress(OSError):
            connect(folder).close()
            os.close(lock)
            return None
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"another process holds {folder / 'engine.lock'} and does not answer"
            )
        time.sleep(0.01)


def _listen(folder: Path) -> socket.socket:
    path = socket_path(folder)
    # Only the holder of the lock comes here, so whoever made this socket is gone.
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(EngineServer.request_queue_size)
    return listener


def _go_to_background(folder: Path) -> None:
    """Return in a child without terminal; the parent's end tells the starter to connect."""
    if os.fork():
        os._exit(0)
    os.setsid()
    # Not to keep the starter's place busy, which may be a mounted one.
    os.chdir("/")
    log = folder / "engine.log"
    full = log.exists() and log.stat().st_size > _MAX_LOG_BYTES
    with Path(os.devnull).open("rb") as nothing, log.open("wb" if full else "ab") as output:
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)


def _serve(folder: Path, listener: socket.socket) -> None:
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    # The terminal's Ctrl+C is meant for whoever started us, and others may still be connected.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    shards = Shards(folder)
    with EngineServer(listener, shards) as server:
        while not ending.is_set() and not server.is_idle():
            server.handle_request()
        # From here on nobody can join: a client finds no socket, starts an engine of its own, and
        # that one waits for our lock.
        socket_path(folder).unlink(missing_ok=True)
    shards.close()


def main() -> None:
    """Start the engine of a folder in the background, unless one runs already."""
    parser = argparse.ArgumentParser(prog="python -m chatkit_tools.engine", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the data is kept")
    folder: Path = parser.parse_args().folder.resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _take_lock(folder)
        if lock is None:
            return
        listener = _listen(folder)
    except OSError as exc:
        raise SystemExit(str(exc)) from exc
    _go_to_background(folder)
    # What the kernel or the engine's own code ends the process with is written to the log.
    faulthandler.enable()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level="INFO")
    _serve(folder, listener)


if __name__ == "__main__":
    main()
