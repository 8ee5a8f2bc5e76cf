"""`PostgresStore` keeps the contract that it is published with, and leaves nothing out."""

from collections.abc import Iterator

import pytest

from chatkit_stores import PostgresStore
from chatkit_stores.testing import OpenStore, StoreContract
from tests.fixtures.postgres import DatabaseServer


@pytest.fixture(scope="module", params=["direct", "pooled"])
def dsn(request: pytest.FixtureRequest, database_server: DatabaseServer) -> Iterator[str]:
    """One database for all tests: they use new names."""
    with database_server.fresh_database("migrated") as name:
        server = database_server
        if request.param == "pooled":
            server = request.getfixturevalue("pooler")
        yield server.database(name)


class TestPostgresStore(StoreContract):
    # Nothing waits for its end here, and a machine may stand still.
    patience = 240.0

    @pytest.fixture
    def open_store(self, dsn: str) -> OpenStore:
        return lambda: PostgresStore.open(dsn)
