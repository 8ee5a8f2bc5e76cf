"""Tells by what it is given which kind of source that is."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from chatkit_tools.documents import MarkdownFolder, list_documents
from chatkit_tools.errors import SourceError
from chatkit_tools.selection import Patterns, Selection
from chatkit_tools.source import Source


def open_source(
    where: str,
    *,
    base_url: str | None = None,
    trailing_slash: bool = False,
    version: str = "",
    locale: str = "",
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
    concurrency: int = 4,
    max_pages: int = 10_000,
) -> Source:
    """Return the source that `where` names; what its kind has no use for is ignored.

    Raises:
        SourceError: it names nothing that can be indexed; the message says what would.
    """
    folder = Path(where)
    if "://" in where and not folder.exists():
        # A folder needs no HTTP client.
        from chatkit_tools.sitemap import Sitemap

        return Sitemap(
            where,
            base_url=base_url,
            version=version,
            locale=locale,
            headers=headers,
            include=include,
            exclude=exclude,
            concurrency=concurrency,
            max_pages=max_pages,
        )
    if not folder.is_dir():
        raise SourceError(
            f"{where} is not a folder; name the folder that holds your Markdown files or your"
            " built site, or the address of a site or its sitemap"
        )
    source: Source
    if _is_site(folder):
        # Markdown needs no parser of HTML.
        from chatkit_tools.site_folder import SiteFolder

        source = SiteFolder(folder, base_url, version=version, locale=locale)
    else:
        source = MarkdownFolder(
            folder, base_url or "/", trailing_slash=trailing_slash, version=version, locale=locale
        )
    patterns = Patterns.of(include, exclude)
    return Selection(source, patterns) if include or exclude else source


def _is_site(folder: Path) -> bool:
    """Whether a folder is a built site, which may have its pages as Markdown beside them."""
    if list_documents(folder):
        return (folder / "index.html").is_file()
    return any(folder.rglob("*.htm*"))
