"""Turns documents into passages and finds them again with Qdrant."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chatkit_tools.add_lexical import LexicalSummary
    from chatkit_tools.documents import MarkdownFolder, read_documents
    from chatkit_tools.embeddings import Embeddings, OpenAIEmbeddings
    from chatkit_tools.errors import (
        CollectionBusyError,
        CollectionError,
        CollectionMismatchError,
        EmbeddingsError,
        SearchUnavailableError,
        SourceError,
    )
    from chatkit_tools.indexing import IndexSummary
    from chatkit_tools.mapping import FieldMapping
    from chatkit_tools.passage import Hit, Passage, Results
    from chatkit_tools.passages import Passages
    from chatkit_tools.reranking import HttpReranker, Reranker
    from chatkit_tools.site_folder import SiteFolder
    from chatkit_tools.sitemap import Sitemap
    from chatkit_tools.source import (
        Document,
        SkippedDocument,
        Source,
        UnchangedDocument,
        UnreadableDocument,
    )
    from chatkit_tools.tool import (
        Numbers,
        parse_passages,
        render_passages,
        search_docs_tool,
    )

# A module is imported when a name of it is: the engine needs no parser, `search` needs no agent.
_MODULES = {
    "CollectionBusyError": "errors",
    "CollectionError": "errors",
    "CollectionMismatchError": "errors",
    "Document": "source",
    "Embeddings": "embeddings",
    "EmbeddingsError": "errors",
    "Hit": "passage",
    "HttpReranker": "reranking",
    "FieldMapping": "mapping",
    "IndexSummary": "indexing",
    "LexicalSummary": "add_lexical",
    "MarkdownFolder": "documents",
    "Numbers": "tool",
    "OpenAIEmbeddings": "embeddings",
    "Passage": "passage",
    "Passages": "passages",
    "Reranker": "reranking",
    "Results": "passage",
    "SearchUnavailableError": "errors",
    "SiteFolder": "site_folder",
    "Sitemap": "sitemap",
    "SkippedDocument": "source",
    "Source": "source",
    "SourceError": "errors",
    "UnchangedDocument": "source",
    "UnreadableDocument": "source",
    "parse_passages": "tool",
    "read_documents": "documents",
    "render_passages": "tool",
    "search_docs_tool": "tool",
}

__all__ = [
    "CollectionBusyError",
    "CollectionError",
    "CollectionMismatchError",
    "Document",
    "Embeddings",
    "EmbeddingsError",
    "FieldMapping",
    "Hit",
    "HttpReranker",
    "IndexSummary",
    "LexicalSummary",
    "MarkdownFolder",
    "Numbers",
    "OpenAIEmbeddings",
    "Passage",
    "Passages",
    "Reranker",
    "Results",
    "SearchUnavailableError",
    "SiteFolder",
    "Sitemap",
    "SkippedDocument",
    "Source",
    "SourceError",
    "UnchangedDocument",
    "UnreadableDocument",
    "parse_passages",
    "read_documents",
    "render_passages",
    "search_docs_tool",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
