"""Runs every test of the store twice: directly, and through a pooler in transaction mode."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

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
