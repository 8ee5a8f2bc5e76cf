"""Keeps ChatKit threads and items in PostgreSQL.

For any ChatKit server, with any context that has a `user_id`:

    from chatkit.server import ChatKitServer
    from chatkit_stores import PostgresStore, migrate

    await migrate(dsn)
    async with PostgresStore.open(dsn) as store:
        server = MyChatKitServer(store)  # a ChatKitServer[MyContext]
        ...

A transaction-mode pooler may stand in between. `embedded_postgres` in
`chatkit_stores.embedded` gives a DSN where there is no server.
"""

from chatkit_stores.answering import Answering
from chatkit_stores.errors import (
    IdTakenError,
    StoreCrowdedError,
    StoreError,
    StoreUnavailableError,
    TurnLostError,
)
from chatkit_stores.ids import new_id
from chatkit_stores.migrations import migrate
from chatkit_stores.removals import Selection
from chatkit_stores.restored import Restored
from chatkit_stores.rows import StoreContext
from chatkit_stores.store import PostgresStore
from chatkit_stores.turns import TurnStart, TurnState, TurnView

__all__ = [
    "Answering",
    "IdTakenError",
    "PostgresStore",
    "Restored",
    "Selection",
    "StoreContext",
    "StoreCrowdedError",
    "StoreError",
    "StoreUnavailableError",
    "TurnLostError",
    "TurnStart",
    "TurnState",
    "TurnView",
    "migrate",
    "new_id",
]
