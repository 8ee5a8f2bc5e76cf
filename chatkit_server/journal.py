"""Keeps in files what the database could not take, until it can.

Each process writes a file of its own and holds a lock on it, which the kernel gives back however
the process ends: a file without a lock belongs to nobody, and whoever finds it takes it over. A
line is one entry behind its checksum, and on the disk before `append` returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import threading
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

from chatkit.types import ThreadItem, ThreadMetadata
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .file_lock import Strange, lock_file
from .lease import State

logger = logging.getLogger("chatkit_server")

MAX_BYTES = 100_000_000
MAX_AGE = 24 * 3600.0
# Entries for a thread that another process may still have to make wait for it so long.
_PATIENCE = 60.0
_SUFFIX = ".journal"
_BLOCK = 1 << 16

Verdict = Literal["stored", "rejected", "unknown"]
"""What became of an entry; unknown where there is no such thread, as yet."""
Write = Callable[["Entry"], Awaitable[Verdict]]


class JournalFullError(OSError):
    """The folder holds as much as it may."""


class Entry(BaseModel):
    """What a turn adds to a thread; the fields are the arguments of `restore_turn`."""

    model_config = ConfigDict(frozen=True)

    at: float = Field(default_factory=time.time)
    user_id: str
    turn_id: str
    thread_id: str
    thread: ThreadMetadata | None = None
    """Given where the turn makes the thread."""
    items: list[ThreadItem]
    removed: list[str] = []
    replace_after: str | None = None
    state: State = "completed"
    changes: dict[str, Any] = {}
    default_title: str | None = None
    gap: dict[str, Any] | None = None


class Journal:
    """The files of one folder that this process writes and replays.

    Entries are replayed in the order in which they were written. A process that is killed between
    an entry's arrival in the database and its removal here leaves it to be replayed once more: to
    write an entry twice must change nothing.
    """

    def __init__(self, folder: Path, max_bytes: int, max_age: float) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._own = _File.create(folder)
        self._adopted: list[_File] = []
        self._appending = asyncio.Lock()
        self._replaying = asyncio.Lock()
        self.appended = asyncio.Event()
        """Set by each entry; whoever replays clears it."""
        self._unknown: dict[tuple[str, str], float] = {}
        self._strange = Strange()
        self.rejected = 0
        """Entries that were refused, unreadable or too old, and are gone."""

    @classmethod
    @contextmanager
    def open(
        cls, folder: Path, *, max_bytes: int = MAX_BYTES, max_age: float = MAX_AGE
    ) -> Iterator[Self]:
        """Make the folder where there is none; what is not replayed at the end stays in it.

        Args:
            folder: Of this server alone, on a disk that outlives the process.
            max_bytes: All files of the folder together.
            max_age: Seconds after which an entry is given up.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        journal = cls(folder, max_bytes, max_age)
        try:
            yield journal
        finally:
            for file in journal._files:
                file.close()

    @property
    def _files(self) -> list[_File]:
        return [*self._adopted, self._own]

    @property
    def entries(self) -> int:
        """How many entries this process has still to replay."""
        return sum(file.threads.total() for file in self._files)

    @property
    def size(self) -> int:
        """Bytes of the files of this process."""
        return sum(file.size for file in self._files)

    @property
    def oldest(self) -> float | None:
        """When the first entry was written that this process has still to replay."""
        written = [entry.at for file in self._files if (entry := _read_line(file.oldest()))]
        return min(written, default=None)

    def holds(self, thread_id: str) -> bool:
        """Whether something of this thread has still to be replayed."""
        return any(file.threads[thread_id] > 0 for file in self._files)

    async def append(self, entry: Entry) -> None:
        """Return when the entry is on the disk.

        Raises:
            OSError: it is not, since the disk or the journal is full, or the disk fails.
        """
        line = _write_line(entry)
        self._own.threads[entry.thread_id] += 1
        try:
            async with self._appending:
                await asyncio.to_thread(self._append, line)
        except OSError:
            self._own.threads[entry.thread_id] -= 1
            raise
        self.appended.set()

    def _append(self, line: bytes) -> None:
        used = 0
        for path in self._folder.glob(f"*{_SUFFIX}"):
            # Another process may remove its own meanwhile.
            with contextlib.suppress(FileNotFoundError):
                used += path.stat().st_size
        if used + len(line) > self._max_bytes:
            raise JournalFullError(
                f"the journal in {self._folder} holds {used:,} bytes, and {len(line):,} more are "
                f"beyond its {self._max_bytes:,}"
            )
        self._own.append(line)

    async def replay(self, write: Write) -> None:
        """Write all entries of this process, and those that dead ones have left, and drop them.

        Raises:
            ConnectionError: by `write`; the entry and all after it stay.
        """
        async with self._replaying:
            await asyncio.to_thread(self._adopt)
            for file in self._files:
                await self._drop_old(file)
            for file in self._files:
                await self._replay(file, write)
                if file is not self._own and not file.size:
                    self._adopted.remove(file)
                    file.close()

    def _adopt(self) -> None:
        known = {file.path for file in self._files}
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            if path in known:
                continue
            try:
                file = _File.adopt(path)
            except OSError as error:
                self._strange.tell(path, error)
                continue
            if file is not None:
                logger.warning("took over the journal of a process that has ended: %s", path.name)
                self._adopted.append(file)

    async def _drop_old(self, file: _File) -> None:
        """Also while nothing can be replayed: entries are in the order of their age."""
        dropped = False
        while (line := file.line()) and self._is_over(_read_line(line)):
            file.step(line)
            dropped = True
            self._reject("too old or damaged")
        if dropped or file.has_kept:
            await self._tidy(file.compact)

    async def _tidy(self, rewrite: Callable[[], bool]) -> bool:
        try:
            return await asyncio.to_thread(rewrite)
        except OSError as error:
            # A full disk, say. What is replayed stays in the file, and what waits waits on: both
            # are not to keep the rest back.
            logger.warning("the journal can't be written anew: %s", error)
            return True

    def _is_over(self, entry: Entry | None) -> bool:
        return entry is None or entry.at < time.time() - self._max_age

    def _reject(self, reason: str) -> None:
        self.rejected += 1
        logger.warning("an entry of the journal is dropped: %s", reason)

    async def _replay(self, file: _File, write: Write) -> None:
        waiting = file.waiting
        settled = False
        while not settled:
            while line := file.line():
                entry = _read_line(line)
                keep = False
                if entry is None or self._is_over(entry):
                    self._reject("too old or damaged")
                else:
                    # Nothing of a thread overtakes what waits, since items come in order. By
                    # user: anybody may have named the thread.
                    place = entry.user_id, entry.thread_id
                    keep = place in waiting or await self._must_wait(entry, write)
                    if keep:
                        waiting.add(place)
                file.step(line, keep=keep)
            settled = await self._tidy(file.settle)

    async def _must_wait(self, entry: Entry, write: Write) -> bool:
        try:
            verdict = await write(entry)
        except ConnectionError:
            raise
        except Exception as error:
            # Without its text, which may quote what the user wrote.
            logger.error("turn %s can't be replayed: %s", entry.turn_id, type(error).__name__)
            return True
        now = time.monotonic()
        place = entry.user_id, entry.thread_id
        since = self._unknown.pop(place, now)
        if verdict == "unknown" and now - since < _PATIENCE:
            self._unknown[place] = since
            return True
        if verdict != "stored":
            self._reject("the thread or an item is gone, or somebody else's")
        return False


class _File:
    """One locked file, and how far it is replayed."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.size = 0
        self.threads: Counter[str] = Counter()
        """How many entries each thread has still to get."""
        self._descriptor = descriptor
        self._position = 0
        self._kept: list[bytes] = []
        # Appends and settles come from threads.
        self._lock = threading.Lock()

    @classmethod
    def create(cls, folder: Path) -> Self:
        while True:
            path = folder / f"{time.time_ns()}-{secrets.token_hex(4)}{_SUFFIX}"
            descriptor = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
            # Whoever looks for files without an owner may have been faster.
            if lock_file(descriptor, path):
                _sync_folder(folder)
                return cls(path, descriptor)
            os.close(descriptor)

    @classmethod
    def adopt(cls, path: Path) -> Self | None:
        """The file, if its process has ended and there is something in it."""
        try:
            descriptor = os.open(path, _FLAGS)
        except FileNotFoundError:
            return None
        file = cls(path, descriptor)
        try:
            if lock_file(descriptor, path):
                file._read()
                if file.size:
                    return file
                path.unlink(missing_ok=True)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def _read(self) -> None:
        _rewritten(self.path).unlink(missing_ok=True)
        with self.path.open("rb") as lines:
            for line in lines:
                self.size += len(line)
                if entry := _read_line(line):
                    self.threads[entry.thread_id] += 1

    def close(self) -> None:
        if not self.size:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def append(self, line: bytes) -> None:
        with self._lock:
            try:
                _write_all(self._descriptor, line)
            except OSError:
                # Half a line would spoil the next one.
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, self.size)
                raise
            self.size += len(line)

    def line(self) -> bytes:
        """The next line to replay; empty when there is none."""
        line = b""
        while not line.endswith(b"\n") and self._position + len(line) < self.size:
            block = os.pread(self._descriptor, _BLOCK, self._position + len(line))
            if not block:
                break
            line += block[: block.find(b"\n") + 1] or block
        return line

    def oldest(self) -> bytes:
        """The first line that is left; empty when there is none."""
        # Of one look at what was kept: a thread may be about to write the file anew.
        return next(iter(self._kept), b"") or self.line()

    def step(self, line: bytes, *, keep: bool = False) -> None:
        """Leave this line behind, for good or until the next replay."""
        self._position += len(line)
        if keep:
            self._kept.append(line)
        elif entry := _read_line(line):
            self.threads[entry.thread_id] -= 1
            if not self.threads[entry.thread_id]:
                del self.threads[entry.thread_id]

    @property
    def has_kept(self) -> bool:
        return bool(self._kept)

    @property
    def waiting(self) -> set[tuple[str, str]]:
        """Users and threads of what was kept."""
        return {(entry.user_id, entry.thread_id) for entry in self._kept_entries()}

    def _kept_entries(self) -> Iterator[Entry]:
        return filter(None, map(_read_line, self._kept))

    def settle(self) -> bool:
        """Remove what is replayed, if that is all; False when more has come."""
        with self._lock:
            if self.line():
                return False
            if self._position < self.size:
                # Cut from outside, for room on the disk say: there is nothing more to wait for.
                logger.warning("the end of %s is missing", self.path.name)
                self.threads = Counter(entry.thread_id for entry in self._kept_entries())
            self._compact()
            return True

    def compact(self) -> bool:
        """Remove what is replayed; what was kept is to be replayed again."""
        with self._lock:
            self._compact()
            return True

    def _compact(self) -> None:
        rest = os.pread(self._descriptor, self.size - self._position, self._position)
        left = b"".join(self._kept) + rest
        if left:
            self._rewrite(left)
        else:
            os.ftruncate(self._descriptor, 0)
            os.fsync(self._descriptor)
        self.size, self._position, self._kept = len(left), 0, []

    def _rewrite(self, content: bytes) -> None:
        new = _rewritten(self.path)
        new.unlink(missing_ok=True)
        descriptor = os.open(new, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            if not lock_file(descriptor, new):
                raise BlockingIOError(f"{new} is locked")
            _write_all(descriptor, content)
            new.rename(self.path)
        except BaseException:
            os.close(descriptor)
            raise
        # Under the old number, which is read meanwhile and must never be that of a closed file.
        os.dup2(descriptor, self._descriptor, inheritable=False)
        os.close(descriptor)
        _sync_folder(self.path.parent)


_FLAGS = os.O_RDWR | os.O_APPEND


def _rewritten(path: Path) -> Path:
    return path.with_suffix(".new")


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_line(entry: Entry) -> bytes:
    content = entry.model_dump_json().encode()
    return b"%08x %b\n" % (zlib.crc32(content), content)


def _read_line(line: bytes) -> Entry | None:
    """The entry of a line; None where the line is torn, damaged or of another version."""
    checksum, _, content = line.removesuffix(b"\n").partition(b" ")
    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(content):
        return None
    try:
        return Entry.model_validate_json(content)
    except ValidationError:
        return None
