"""Serves metrics on a port of their own, which readers never reach.

One process serves its own. With several workers, each writes its numbers into files of a folder
that PROMETHEUS_MULTIPROC_DIR names, and the process above them adds them up: one address to scrape
however many workers there are.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from .errors import SettingsError
from .settings import Settings

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


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
def serve_for_workers(settings: Settings) -> Iterator[None]:
    """Around the start of workers: gives them the folder, and serves what they write into it."""
    with tempfile.TemporaryDirectory(prefix="chatkit-metrics-") as folder:
        # Before the package is imported, which looks at it once.
        os.environ[_FOLDER] = folder
        try:
            with serve_metrics(settings, Workers(Path(folder))):
                yield
        finally:
            del os.environ[_FOLDER]


class Workers:
    """The metrics of all workers. What a dead one has counted stays, and its states go."""

    def __init__(self, folder: Path) -> None:
        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        self._folder = folder
        self._collector = MultiProcessCollector(CollectorRegistry(), str(folder))  # type: ignore[no-untyped-call]

    def collect(self) -> Iterable[Any]:
        from prometheus_client.multiprocess import mark_process_dead

        for path in self._folder.glob("gauge_live*_*.db"):
            pid = int(path.stem.rpartition("_")[2])
            if not _lives(pid):
                mark_process_dead(pid, str(self._folder))  # type: ignore[no-untyped-call]
        metrics: Iterable[Any] = self._collector.collect()  # type: ignore[no-untyped-call]
        return metrics


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        # Or the number is another user's by now.
        return False
    return True
