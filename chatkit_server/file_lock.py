"""Tells whose a file is: a lock on it goes with the process that holds it, however that ends."""

from __future__ import annotations

import os
from pathlib import Path


def lock_file(descriptor: int, path: Path) -> bool:
    """Whether the file is ours now, and still the one with this name."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except (BlockingIOError, FileNotFoundError):
        return False
