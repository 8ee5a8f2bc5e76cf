"""The contract that a ChatKit store must keep for its server to lose and leak nothing, as tests.

    class TestMyStore(StoreContract):
        @pytest.fixture
        def open_store(self, database_url):
            return lambda: MyStore.open(database_url)  # an async context manager

For any `chatkit.store.Store`. Needs pytest, which the extra `[testing]` brings, and no plugin for
asyncio. `contextlib.nullcontext(MyStore())` does for a store that needs no closing. Users, threads
and items have new names in every test, so that one database can serve all.
"""

import pytest

# What an assertion compared is shown for modules that pytest was told of before their import.
pytest.register_assert_rewrite(
    *(
        f"{__name__}.{part}"
        for part in (
            *("attachments", "case", "deletions", "identity", "owners"),
            *("pages", "round_trips", "turns", "writers"),
        )
    )
)

from chatkit_stores.testing.attachments import Attachments  # noqa: E402
from chatkit_stores.testing.case import Case, OpenStore, User, check  # noqa: E402
from chatkit_stores.testing.deletions import Deletions  # noqa: E402
from chatkit_stores.testing.identity import Identity  # noqa: E402
from chatkit_stores.testing.owners import Owners  # noqa: E402
from chatkit_stores.testing.pages import Pages  # noqa: E402
from chatkit_stores.testing.round_trips import RoundTrips  # noqa: E402
from chatkit_stores.testing.turns import Turns  # noqa: E402
from chatkit_stores.testing.writers import Writers  # noqa: E402


class StoreContract(RoundTrips, Pages, Owners, Identity, Deletions, Attachments, Turns, Writers):
    """Every test of the contract. Override `open_store`, and `context` where it needs more."""


__all__ = ["Case", "OpenStore", "StoreContract", "User", "check"]
