"""Serves metrics on a port of their own, which readers never reach.

One process serves its own. With several workers, each writes its numbers into files of a folder
that PROMETHEUS_MULTIPROC_DIR names, and the process above them adds them up: one address to scrape
however many workers there are.
"""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from .errors import SettingsError
from .settings import Settings

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_DEAD = "dead"
_ROOM = 1 << 20


class Collector(Protocol):
    def collect(self) -> Iterable[Any]: ...


def is_served_above() -> bool:
    """Whether this is a worker, whose numbers another process serves."""
    return bool(os.environ.get(_FOLDER))


@contextmanager
def serve_metrics(settings: Settings, registry: Collector) -> Iterator[None]:
    """Answer scrapes in a thread until the block ends.

    Raises:
        SettingsError: the port can't be listened on.
    """
    from prometheus_client import start_http_server

    assert settings.metrics_port is not None  # noqa: S101
    try:
        server, thread = start_http_server(
            settings.metrics_port,
            settings.metrics_host,
            registry,
        )
    except OSError as error:
        raise SettingsError(
            f"CHATKIT_METRICS_PORT is {settings.metrics_port}, which can't be listened on at "
            f"{settings.metrics_host}: {error.strerror}; choose a free port, and for "
            "CHATKIT_METRICS_HOST an address of this machine"
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serve_for_workers(settings: Settings) -> Iterator[Callable[[], None]]:
    """Around the start of workers: gives them the folder, and serves what they write into it.

    What it yields is to be called now and then, also while nobody scrapes: it tidies the folder.
    """
    with tempfile.TemporaryDirectory(prefix="chatkit-metrics-") as folder:
        # Before the package is imported, which looks at it once.
        os.environ[_FOLDER] = folder
        try:
            workers = Workers(Path(folder))
            with serve_metrics(settings, workers):
                yield workers.tidy
        finally:
            del os.environ[_FOLDER]


class Workers:
    """The metrics of all workers. What a dead one has counted stays, and its states go.

    Its files go too: of workers that die again and again they would fill the disk.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Each scrape has a thread of its own.
        self._lock = threading.Lock()

    def collect(self) -> Iterable[Any]:
        from prometheus_client.multiprocess import MultiProcessCollector

        with self._lock:
            self._tidy()
            # Without those that a worker is about to make: nothing is in them yet, not even how
            # much that is, and the package fails over that.
            files = [str(path) for path in self._folder.glob("*.db") if path.stat().st_size]
            metrics: Iterable[Any] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
            return metrics

    def tidy(self) -> None:
        """Keep what dead workers have counted in one file of each kind, and remove theirs."""
        with self._lock:
            self._tidy()

    def _tidy(self) -> None:
        for path in sorted(self._folder.glob("*_*.db")):
            kind, _, pid = path.stem.rpartition("_")
            if pid == _DEAD or _lives(int(pid)):
                continue
            # Another time, where there is no room on the disk.
            with contextlib.suppress(OSError):
                if not kind.startswith("gauge_"):
                    self._keep(path, self._folder / f"{kind}_{_DEAD}.db")
                path.unlink()

    @staticmethod
    def _keep(path: Path, kept: Path) -> None:
        from prometheus_client.mmap_dict import MmapedDict

        try:
            values = list(MmapedDict.read_all_values_from_file(path))  # type: ignore[no-untyped-call]
        except (struct.error, RuntimeError):
            # Of one that was killed as it made the file.
            return
        if not kept.exists():
            # Taken at once: a disk that is full ends who writes to a map of it.
            kept.write_bytes(bytes(_ROOM))
        whole: Any = MmapedDict(str(kept))  # type: ignore[no-untyped-call]
        try:
            for key, value, _, _ in values:
                whole.write_value(key, whole.read_value(key)[0] + value, 0.0)
        finally:
            whole.close()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        # Or the number is another user's by now.
        return False
    return True
