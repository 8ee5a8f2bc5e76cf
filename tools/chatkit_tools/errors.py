"""What can go wrong in search.

Exception
├── ConnectionError
│   └── SearchUnavailableError   nobody answers now; the same call may succeed later
└── CollectionError              Qdrant answered, and refused
    └── CollectionMismatchError  the collection is not one that this code may write to
"""


class SearchUnavailableError(ConnectionError):
    """Qdrant, or the embedded engine, does not answer."""


class CollectionError(Exception):
    """Qdrant refused a request."""


class CollectionMismatchError(CollectionError):
    """The collection has another shape than this code makes; the message says what to do."""
