"""A folder for each server process, and a client without limits of its own."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.fixtures.folders import remove


@pytest.fixture
def folder() -> Iterator[Path]:
    """Outside pytest's own folders, which only root may enter: PostgreSQL runs as another."""
    path = Path(tempfile.mkdtemp(prefix="ck-faults-"))
    path.chmod(0o755)
    yield path
    remove(path)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(timeout=60, limits=limits) as client:
        yield client
