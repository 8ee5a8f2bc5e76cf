"""The table of the docs is what the contract finds, and the contract finds what it is for."""

from chatkit_stores.testing import StoreContract
from tests.fixtures.postgres import DatabaseServer
from tests.stores.published import HEADING, PAGE, results, tables, totals


def test_the_published_table_is_what_the_contract_finds(database_server: DatabaseServer) -> None:
    with database_server.fresh_database("template0") as name:
        found = results(database_server.database(name))

    page = PAGE.read_text()
    assert page.partition(HEADING)[2].split("\n") == ["", *tables(found).split("\n"), ""]
    for name, total in totals(found).items():
        assert f"| {name} | {total} |" in page
    assert set(found) == {name for name in dir(StoreContract) if name.startswith("test_")}
