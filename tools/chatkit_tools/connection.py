"""Sends requests to a Qdrant server or to the embedded engine."""

import asyncio
import contextlib
import ipaddress
import logging
import shutil
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx
import orjson

from chatkit_tools.errors import CollectionError, SearchUnavailableError
from chatkit_tools.launcher import EngineError, connect, socket_path, start_engine
from chatkit_tools.wire import Answer, LostError, SocketClient

logger = logging.getLogger("chatkit_tools")

_DEFAULT_PORT = 6333
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
_LIMITS = httpx.Limits(max_connections=16, max_keepalive_connections=16, keepalive_expiry=60.0)
# A connection that the other side had already closed shows only when it is used again.
_LOST = (httpx.NetworkError, httpx.RemoteProtocolError, LostError)
_ATTEMPTS = 3
_STARTS = 2
# Of an engine that has ended: with less room on its disk that was why, and what it wrote to its
# log in so many seconds before tells of it.
_FULL_BYTES = 20_000_000
_RECENT = 30.0


class Connection(Protocol):
    """Where a collection's requests go; `near` says that a second one costs next to nothing."""

    near: bool

    async def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Return `result` of the answer, or None where nothing is there (404).

        Every request that we send may be sent twice, and is when a connection breaks.
        """


def connect_place(
    data_dir: Path | str | None, url: str | None, api_key: str | None = None
) -> AbstractAsyncContextManager[Connection]:
    """Open a client of the embedded engine below `data_dir`, or of a server at `url`."""
    if url is not None and data_dir is None:
        return connect_server(url, api_key)
    if data_dir is not None and url is None:
        return connect_engine(Path(data_dir) / "search")
    raise ValueError("a collection is opened in either data_dir or url")


@asynccontextmanager
async def connect_server(url: str, api_key: str | None = None) -> AsyncIterator[Connection]:
    """Open a client of a Qdrant server; nothing is sent yet."""
    address = _parse_address(url)
    if api_key and address.scheme == "http" and not _is_loopback(address.host):
        logger.warning(
            "the Qdrant API key goes to %s unencrypted; use https unless that network is private",
            address.host,
        )
    headers = {"api-key": api_key} if api_key else {}
    async with httpx.AsyncClient(
        base_url=address, headers=headers, timeout=_TIMEOUT, limits=_LIMITS
    ) as client:
        yield _Server(client)


@asynccontextmanager
async def connect_engine(folder: Path) -> AsyncIterator[Connection]:
    """Open a client of the embedded engine, which is started by the first request."""
    # The socket's path is asked for here, so that a folder that cannot have one fails at once.
    engine = _Engine(SocketClient(socket_path(folder)), folder)
    try:
        yield engine
    finally:
        await engine.close()


class _Sender(ABC):
    """Sends again what may have been lost, and reads the answers."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        content = b"" if body is None else orjson.dumps(body)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = await self._request(method, path, content)
            except httpx.ConnectError as exc:
                # A server that refuses connections is down; an engine is started by a request.
                raise self._unavailable(exc) from exc
            except _LOST as exc:
                if attempt == _ATTEMPTS:
                    raise self._unavailable(exc) from exc
            except (httpx.TransportError, EngineError, TimeoutError) as exc:
                raise self._unavailable(exc) from exc
            else:
                return self._read(answer, method, path)
        raise AssertionError("unreachable")

    @abstractmethod
    async def _request(self, method: str, path: str, content: bytes) -> Answer: ...

    def _unavailable(self, exc: Exception) -> SearchUnavailableError:
        return SearchUnavailableError(f"{self._name} does not answer: {exc or type(exc).__name__}")

    def _read(self, answer: Answer, method: str, path: str) -> Any:
        status = answer.status
        if status == httpx.codes.NOT_FOUND and (method != "GET" or _said(answer) is not None):
            return None
        if httpx.codes.is_success(status):
            with contextlib.suppress(ValueError, LookupError, TypeError):
                return orjson.loads(answer.content)["result"]
        # By GET a collection is asked for, and any web server at all says that it has none.
        if httpx.codes.is_success(status) or status == httpx.codes.NOT_FOUND:
            raise SearchUnavailableError(
                f"{self._name} did not answer as Qdrant does; check its URL"
            )
        if status in (401, 403):
            raise SearchUnavailableError(
                f"{self._name} refused the API key ({status}); check QDRANT_API_KEY"
            )
        reason = _reason(answer)
        if httpx.codes.is_server_error(status) or status in (408, 429):
            raise SearchUnavailableError(f"{self._name} failed ({status}): {reason}")
        raise CollectionError(f"{self._name} refused {method} {path}: {reason}")


class _Server(_Sender):
    near = False

    def __init__(self, client: httpx.AsyncClient) -> None:
        super().__init__(f"Qdrant at {client.base_url.host}")
        self._client = client

    async def _request(self, method: str, path: str, content: bytes) -> Answer:
        headers = {"Content-Type": "application/json"}
        work = asyncio.ensure_future(
            self._client.request(method, path, content=content or None, headers=headers)
        )
        try:
            response = await asyncio.shield(work)
        except asyncio.CancelledError:
            # The request goes on: httpx does not give back the connection of a cancelled one, and
            # after a few readers who left, the pool would be empty.
            work.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise
        return Answer(response.status_code, response.content)


class _Engine(_Sender):
    near = True

    def __init__(self, client: SocketClient, folder: Path) -> None:
        super().__init__(f"the search engine of {folder}")
        self._client = client
        self._folder = folder
        self._lock = asyncio.Lock()
        # Held open and never written to: the engine stays while somebody has such a connection.
        self._presence: socket.socket | None = None

    async def _request(self, method: str, path: str, content: bytes) -> Answer:
        if self._presence is None or _is_closed(self._presence):
            async with self._lock:
                if self._presence is None or _is_closed(self._presence):
                    self.leave()
                    await self._join()
        try:
            return await self._client.request(method, path, content)
        except LostError:
            self.leave()
            raise

    async def _join(self) -> None:
        for starts in range(_STARTS + 1):
            try:
                self._presence = connect(self._folder)
            except OSError as exc:
                # Once more: on a busy machine the engine may have waited for us long enough.
                if starts == _STARTS:
                    raise EngineError(f"it was started and is gone again ({exc})") from exc
                await asyncio.to_thread(start_engine, self._folder)
            else:
                return

    def _unavailable(self, exc: Exception) -> SearchUnavailableError:
        if isinstance(exc, LostError | EngineError) and (reason := _find_reason(self._folder)):
            return SearchUnavailableError(f"{self._name} ended: {reason}")
        return super()._unavailable(exc)

    async def close(self) -> None:
        self.leave()
        await self._client.close()

    def leave(self) -> None:
        if self._presence is not None:
            self._presence.close()
            self._presence = None


def _find_reason(folder: Path) -> str:
    """Tell why an engine may have ended, "" where nothing hints at it."""
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(folder).free
        if free < _FULL_BYTES:
            return f"the disk is full ({free // 1_000_000} MB left); make room"
        log = folder / "engine.log"
        if time.time() - log.stat().st_mtime < _RECENT:
            lines = log.read_text(errors="replace").splitlines()
            words = ("Fatal Python error", "panicked at", "Error", "memory allocation")
            said = next((line for line in reversed(lines) if any(w in line for w in words)), "")
            return f"{said} (in {log})" if said else ""
    return ""


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _parse_address(url: str) -> httpx.URL:
    address = httpx.URL(url)
    if address.scheme not in ("http", "https") or not address.host:
        # Without what stands before the @, which is a password.
        shown = url.rpartition("@")[2]
        raise ValueError(
            f"the Qdrant URL must look like http://localhost:6333, and not like {shown!r}"
        )
    return address if address.port else address.copy_with(port=_DEFAULT_PORT)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reason(answer: Answer) -> str:
    said = _said(answer)
    return answer.content.decode(errors="replace")[:200] if said is None else said


def _said(answer: Answer) -> str | None:
    """What Qdrant says of an error; None where it is not Qdrant that answers."""
    try:
        return str(orjson.loads(answer.content)["status"]["error"])
    except (ValueError, LookupError, TypeError):
        return None
