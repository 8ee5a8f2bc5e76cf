"""What can go wrong in search.

Exception
├── ConnectionError
│   ├── SearchUnavailableError   nobody answers now; the same call may succeed later
│   └── EmbeddingsError          passages could not be embedded; the next run goes on from there
├── SourceError                  nothing can be read of what is to be indexed
├── UnreadablePageError          one page of it can't be read
│   └── RefusedPageError         it is no page, or beyond a limit
├── QuestionsError               a file for measuring the search can't be used
└── CollectionError              Qdrant answered, and refused
    ├── CollectionMismatchError  the collection is not one that this code may write to
    └── CollectionBusyError      another index run is writing to it
"""


class SearchUnavailableError(ConnectionError):
    """Qdrant, or the embedded engine, does not answer."""


class EmbeddingsError(ConnectionError):
    """The embedding service failed in the middle of an index run."""


class CollectionError(Exception):
    """Qdrant refused a request."""


class CollectionMismatchError(CollectionError):
    """The collection has another shape than this code makes; the message says what to do."""


class CollectionBusyError(CollectionError):
    """Another index run is writing to the collection."""


class SourceError(Exception):
    """A source has nothing that can be read; the message says what was looked for."""


class UnreadablePageError(Exception):
    """A web page can't be read; the message says why, as what follows the page's name."""


class RefusedPageError(UnreadablePageError):
    """What was taken for a web page is none, or is beyond a limit."""


class QuestionsError(Exception):
    """A file of questions, or an earlier evaluation, can't be used; the message says why."""
