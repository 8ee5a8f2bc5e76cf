"""Keeps in files what readers are sent of running answers, for whoever finds them unfinished.

Checkpoints store an answer every second or two; a server that is killed would lose what it sent
since. A file for each turn holds its frames, and goes when the turn has ended. It is written before
a frame is sent and not forced to the disk: what the kernel has taken outlives the process, and it
is the process that dies. As in the journal, a file without a lock belongs to nobody.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from .file_lock import Strange, lock_file

logger = logging.getLogger("chatkit_server")

_SUFFIX = ".trail"
_END = b"\n\n"


class Whose(BaseModel):
    """The turn that a file is of; its first line."""

    model_config = ConfigDict(frozen=True)

    turn_id: str
    thread_id: str
    user_id: str
    retry: str | None


class Trails:
    """The files of one folder, which all processes of a server may share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._strange = Strange()

    def begin(self, whose: Whose) -> Trail | None:
        """None where the disk does not take it: the answer is worth more."""
        try:
            return Trail.create(self._folder / f"{whose.turn_id}{_SUFFIX}", whose)
        except OSError as error:
            logger.warning("turn %s leaves no trail: %s", whose.turn_id, error)
            return None

    def left(self) -> Iterator[Left]:
        """Those of processes that have ended, locked until the caller goes on to the next."""
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            with contextlib.ExitStack() as stack:
                try:
                    found = _take(path, stack)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    self._strange.tell(path, error)
                    continue
                if found is not None:
                    yield found


def _take(path: Path, stack: contextlib.ExitStack) -> Left | None:
    """A file that is nobody's, locked until the stack is closed."""
    descriptor = os.open(path, os.O_RDWR)
    stack.callback(os.close, descriptor)
    if not lock_file(descriptor, path):
        return None
    if (found := Left.read(path)) is None:
        path.unlink()
    return found


class Trail:
    """What one running turn has sent."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def create(cls, path: Path, whose: Whose) -> Self:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        trail = cls(path, descriptor)
        # Locked while it is empty: without a first line it is nobody's, and whoever finds it so
        # takes it away.
        if not lock_file(descriptor, path):
            trail._close()
            raise FileNotFoundError(f"{path} was taken away")
        trail.write(whose.model_dump_json().encode() + _END)
        return trail

    def write(self, frame: bytes) -> None:
        """Keep a frame, before anybody gets it."""
        if self._descriptor is None:
            return
        try:
            os.write(self._descriptor, frame)
        except OSError as error:
            logger.warning("%s can't be written: %s", self._path.name, error)
            self.end()

    def end(self) -> None:
        """The turn has ended, and the store has what there is of it."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
            self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@dataclass(frozen=True, slots=True)
class Left:
    """What a turn had sent whose process is gone."""

    whose: Whose
    frames: list[bytes]
    path: Path

    @classmethod
    def read(cls, path: Path) -> Left | None:
        """None where it does not even say whose it is."""
        # Behind the last end may be a torn frame, which nobody got.
        first, *frames = path.read_bytes().split(_END)[:-1] or [b""]
        try:
            return cls(Whose.model_validate_json(first), frames, path)
        except ValidationError:
            return None

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
