"""A client of HTTP over a Unix socket, for the engine alone: it costs a tenth of a general one."""

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path

# An answer with a hundred passages; a smaller limit has the stream paused in its middle.
_BUFFER = 1 << 20
_AT_ONCE = 16
_TIMEOUT = 60.0


class LostError(ConnectionError):
    """The other side is not there, or went away before it had answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a request."""

    status: int
    content: bytes


class SocketClient:
    """Keeps connections open and uses them again, each for one request at a time."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def request(self, method: str, target: str, content: bytes) -> Answer:
        """Return the answer; raise `LostError` where there is none, `TimeoutError` when it hangs.

        `target` is a path as it stands in a URL.
        """
        async with self._gate, asyncio.timeout(_TIMEOUT):
            try:
                reader, writer = await self._connect()
            except OSError as exc:
                raise LostError(str(exc)) from exc
            try:
                answer = await _exchange(reader, writer, method, target, content)
            except (OSError, EOFError, ValueError) as exc:
                writer.close()
                raise LostError(f"the connection broke: {exc}") from exc
            except asyncio.CancelledError:
                # Half of an answer may be left in it.
                writer.close()
                raise
            self._idle.append((reader, writer))
            return answer

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not (reader.at_eof() or writer.is_closing()):
                return reader, writer
            writer.close()
        return await asyncio.open_unix_connection(self._path, limit=_BUFFER)

    async def close(self) -> None:
        """Close the connections that nobody uses; those in use close with their requests."""
        idle, self._idle = self._idle, []
        for _, writer in idle:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    method: str,
    target: str,
    content: bytes,
) -> Answer:
    head = f"{method} {target} HTTP/1.1\r\nHost: engine\r\nContent-Length: {len(content)}\r\n\r\n"
    writer.write(head.encode("ascii") + content)
    await writer.drain()
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).splitlines()
    # The engine always says how long its answer is.
    length = next(
        int(line[len(b"content-length:") :])
        for line in lines
        if line.lower().startswith(b"content-length:")
    )
    return Answer(int(first.split(b" ", 2)[1]), await reader.readexactly(length))
