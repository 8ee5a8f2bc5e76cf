"""What can go wrong in the stores.

    StoreError
    ├── StoreUnavailableError    also a ConnectionError: a later try may succeed
    │   └── StoreCrowdedError
    ├── IdTakenError
    └── TurnLostError

A thread, item or attachment that is unknown, deleted or somebody else's is
`chatkit.store.NotFoundError`, as the SDK expects.
"""


class StoreError(Exception):
    """The database did not do what was asked; nothing was written."""


class StoreUnavailableError(StoreError, ConnectionError):
    """The database cannot be used at the moment."""


class StoreCrowdedError(StoreUnavailableError):
    """The database answers, but others had all connections for too long."""

    is_crowded = True
    """For servers that know no store's classes."""


class IdTakenError(StoreError):
    """An item with this id exists in another thread; it was left as it is."""


class TurnLostError(StoreError):
    """The turn does not hold its thread any more; nothing was written."""
