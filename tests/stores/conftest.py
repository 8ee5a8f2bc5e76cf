"""Runs every test of the store twice: directly, and through a pooler in transaction mode."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from chatkit_stores import database
from chatkit_stores.turns import Turns
from tests.fixtures.postgres import DatabaseServer


@pytest.fixture
def direct_url(database_server: DatabaseServer) -> Iterator[str]:
    with database_server.fresh_database("migrated") as name:
        yield database_server.database(name)


@pytest.fixture(params=["direct", "pooled"])
def database_url(request: pytest.FixtureRequest, direct_url: str) -> str:
    if request.param == "direct":
        return direct_url
    server: DatabaseServer = request.getfixturevalue("pooler")
    return server.database(urlsplit(direct_url).path.removeprefix("/"))


@pytest.fixture(autouse=True)
def _time_enough(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still for some seconds loses no connection and no thread by that."""
    for method in (Turns.begin_turn, Turns.checkpoint_turn):
        assert method.__kwdefaults__ is not None
        monkeypatch.setitem(method.__kwdefaults__, "lease", 600.0)
    if "hasty" not in request.fixturenames:
        monkeypatch.setattr(database, "_PATIENCE", 60.0)
        monkeypatch.setattr(database, "_ANSWER_WITHIN", 60.0)
        monkeypatch.setitem(database._CONNECTION_DEFAULTS, "connect_timeout", "60")


@pytest.fixture
def hasty() -> None:
    """For tests that wait until the store gives up on its database, as it does by default."""


@pytest.fixture
def one_day() -> None:
    """Not over midnight, when the store begins to count anew."""
    now = datetime.now(UTC)
    left = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) - now
    if left < timedelta(minutes=1):
        time.sleep(left.total_seconds() + 1)
