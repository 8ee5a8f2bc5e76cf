"""Tells by what it is given which kind of source that is."""

from pathlib import Path

from chatkit_tools.documents import MarkdownFolder
from chatkit_tools.errors import SourceError
from chatkit_tools.source import Source


def open_source(
    where: str,
    *,
    base_url: str | None = None,
    trailing_slash: bool = False,
    version: str = "",
    locale: str = "",
) -> Source:
    """Return the source that `where` names.

    Raises:
        SourceError: it names nothing that can be indexed; the message says what would.
    """
    folder = Path(where)
    if not folder.is_dir():
        raise SourceError(
            f"{where} is not a folder; name the folder that holds your Markdown files"
            if folder.exists() or "://" not in where
            else f"{where} is an address, and only folders can be indexed"
        )
    return MarkdownFolder(
        folder, base_url or "/", trailing_slash=trailing_slash, version=version, locale=locale
    )
