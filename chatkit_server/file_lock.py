"""Tells whose a file is: a lock on it goes with the process that holds it, however that ends."""

from __future__ import annotations

import logging
import os
from pathlib import Path

logger = logging.getLogger("chatkit_server")


def lock_file(descriptor: int, path: Path) -> bool:
    """Whether the file is ours now, and still the one with this name."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


class Strange:
    """Files that can't be taken over, of another user say. None is to keep the others back."""

    def __init__(self) -> None:
        self._told: set[Path] = set()

    def tell(self, path: Path, error: OSError) -> None:
        """Once of each."""
        if path not in self._told:
            self._told.add(path)
            logger.warning("%s can't be taken over: %s", path.name, error)
