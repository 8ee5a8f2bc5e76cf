"""Sends requests to a Qdrant server or to the embedded engine."""

import asyncio
import contextlib
import ipaddress
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx

from chatkit_tools.errors import CollectionError, SearchUnavailableError
from chatkit_tools.launcher import EngineError, connect, socket_path, start_engine

logger = logging.getLogger("chatkit_tools")

_DEFAULT_PORT = 6333
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
_LIMITS = httpx.Limits(max_connections=16, max_keepalive_connections=16, keepalive_expiry=60.0)
# A connection that the other side had already closed shows only when it is used again.
_LOST = (httpx.NetworkError, httpx.RemoteProtocolError)
_ATTEMPTS = 3


class Connection(Protocol):
    """Where a collection's requests go."""

    async def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Return `result` of the answer, or None where nothing is there (404).

        Every request that we send may be sent twice, and is when a connection breaks.
        """


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
    transport = httpx.AsyncHTTPTransport(uds=str(socket_path(folder)), limits=_LIMITS)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://engine", timeout=_TIMEOUT
    ) as client:
        engine = _Engine(client, folder)
        try:
            yield engine
        finally:
            engine.leave()


class _Server:
    # A server that refuses connections is down; an engine that does has ended, and is started.
    _restarts = False

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._name = f"Qdrant at {client.base_url.host}"

    async def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await self._prepare()
                response = await self._request(method, path, content)
            except _LOST as exc:
                refused = isinstance(exc, httpx.ConnectError) and not self._restarts
                if refused or attempt == _ATTEMPTS:
                    raise self._unavailable(exc) from exc
                self._recover()
            except (httpx.TransportError, EngineError) as exc:
                raise self._unavailable(exc) from exc
            else:
                return self._read(response, method, path)
        raise AssertionError("unreachable")

    async def _request(self, method: str, path: str, content: bytes | None) -> httpx.Response:
        headers = {"Content-Type": "application/json"}
        work = asyncio.ensure_future(
            self._client.request(method, path, content=content, headers=headers)
        )
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            # The request goes on: httpx does not give back the connection of a cancelled one, and
            # after a few readers who left, the pool would be empty.
            work.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise

    async def _prepare(self) -> None:
        """Make sure that somebody can answer."""

    def _recover(self) -> None:
        """Forget a connection that broke."""

    def _unavailable(self, exc: Exception) -> SearchUnavailableError:
        return SearchUnavailableError(f"{self._name} does not answer: {exc or type(exc).__name__}")

    def _read(self, response: httpx.Response, method: str, path: str) -> Any:
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if response.is_success:
            with contextlib.suppress(ValueError, LookupError, TypeError):
                return response.json()["result"]
            raise SearchUnavailableError(
                f"{self._name} did not answer as Qdrant does; check its URL"
            )
        if response.status_code in (401, 403):
            raise SearchUnavailableError(
                f"{self._name} refused the API key ({response.status_code}); check QDRANT_API_KEY"
            )
        reason = _reason(response)
        if response.is_server_error or response.status_code in (408, 429):
            raise SearchUnavailableError(f"{self._name} failed ({response.status_code}): {reason}")
        raise CollectionError(f"{self._name} refused {method} {path}: {reason}")


class _Engine(_Server):
    _restarts = True

    def __init__(self, client: httpx.AsyncClient, folder: Path) -> None:
        super().__init__(client)
        self._folder = folder
        self._name = f"the search engine of {folder}"
        self._lock = asyncio.Lock()
        # Held open and never written to: the engine stays while somebody has such a connection.
        self._presence: socket.socket | None = None

    async def _prepare(self) -> None:
        async with self._lock:
            if self._presence is not None and _is_closed(self._presence):
                self.leave()
            if self._presence is None:
                await self._join()

    def _recover(self) -> None:
        self.leave()

    async def _join(self) -> None:
        try:
            self._presence = connect(self._folder)
        except OSError:
            await asyncio.to_thread(start_engine, self._folder)
            try:
                self._presence = connect(self._folder)
            except OSError as exc:
                raise EngineError(f"it was started and is gone again ({exc})") from exc

    def leave(self) -> None:
        if self._presence is not None:
            self._presence.close()
            self._presence = None


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


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["status"]["error"])
    except (ValueError, LookupError, TypeError):
        return response.text[:200]
