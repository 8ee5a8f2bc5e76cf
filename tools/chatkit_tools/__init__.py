"""Turns documents into passages and finds them again with Qdrant."""

from chatkit_tools.documents import Document, UnreadableDocument, read_documents
from chatkit_tools.embeddings import Embeddings, OpenAIEmbeddings
from chatkit_tools.errors import CollectionError, CollectionMismatchError, SearchUnavailableError
from chatkit_tools.indexing import IndexSummary
from chatkit_tools.passage import Hit, Passage
from chatkit_tools.passages import Passages

__all__ = [
    "CollectionError",
    "CollectionMismatchError",
    "Document",
    "Embeddings",
    "Hit",
    "IndexSummary",
    "OpenAIEmbeddings",
    "Passage",
    "Passages",
    "SearchUnavailableError",
    "UnreadableDocument",
    "read_documents",
]
