"""Reads the folder of a built site, whatever built it, page by page."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from chatkit_tools.errors import RefusedPageError, SourceError, UnreadablePageError
from chatkit_tools.html_page import read_canonical, read_page, read_places
from chatkit_tools.note import FORMAT
from chatkit_tools.page_file import read_page_file
from chatkit_tools.source import (
    Document,
    Read,
    SkippedDocument,
    UnchangedDocument,
    UnreadableDocument,
    read_in_thread,
)

_SUFFIXES = frozenset({".html", ".htm", ".xhtml"})
_LEFT_OUT = frozenset({"node_modules", "_static", "_sources", "_downloads"})
_INDEX = re.compile(r"(?:^|/)index\.x?html?$", re.IGNORECASE)
_ENDING = re.compile(r"(?:(?:^|/)index)?\.x?html?$", re.IGNORECASE)
# Pages that are asked how the site writes its addresses.
_ASKED = 30
_SAFE = "/%:@!$&'()*+,;=~"


@dataclass(frozen=True, slots=True)
class _Style:
    """How a site writes the addresses of its files.

    `canonical` is the path to the folder in canonical addresses, `base` what addresses here get.
    """

    canonical: str
    base: str
    keeps_suffix: bool
    ends_folders: bool

    def url(self, path: str) -> str:
        """The address of a file whose page names none."""
        if _INDEX.search(path):
            place = _INDEX.sub("/" if self.ends_folders else "", path)
        else:
            place = path if self.keeps_suffix else _ENDING.sub("", path)
        return f"{self.base}/{quote(place.lstrip('/'), safe=_SAFE)}"


class SiteFolder:
    """A built site, or a part of one: its pages in all their versions and languages."""

    def __init__(
        self, folder: Path, base_url: str | None = None, *, version: str = "", locale: str = ""
    ) -> None:
        """
        Args:
            folder: What a web server would serve.
            base_url: Where it is served, a path or a whole address; None for the path that the
                pages' canonical addresses have.
            version: Of all its pages; empty for what each page says.
            locale: Language of all its pages; empty for what each page says.
        """
        self.folder = folder
        self.base_url = base_url
        self.version = version
        self.locale = locale
        self._total: int | None = None

    @property
    def name(self) -> str:
        """Where the folder is served."""
        return (self.base_url or "").rstrip("/") + "/"

    @property
    def total(self) -> int | None:
        """How many files there are, None before the first is read."""
        return self._total

    def read(self, known: Mapping[str, str]) -> AsyncIterator[Read]:
        """Yield every page in the order of its path."""
        return read_in_thread(self._read(known))

    def _read(self, known: Mapping[str, str]) -> Iterator[Read]:
        if not self.folder.is_dir():
            raise SourceError(f"{self.folder} is not a folder")
        paths = list_pages(self.folder)
        self._total = len(paths)
        if not paths:
            raise SourceError(f"{self.folder} has no page (.html); nothing was changed")
        style = self._ask(paths)
        keys = {_key(path) for path in paths}
        pages = {fingerprint: url for url, fingerprint in known.items()}
        for path in paths:
            try:
                data = read_page_file(self.folder / path)
                fingerprint = self._fingerprint(path, data, style)
                if fingerprint in pages:
                    yield UnchangedDocument(path, pages[fingerprint])
                else:
                    yield self._make_document(path, data, fingerprint, keys, style)
            except RefusedPageError as exc:
                yield SkippedDocument(path, str(exc))
            except UnreadablePageError as exc:
                yield UnreadableDocument(path, str(exc))

    def _make_document(
        self, path: str, data: bytes, fingerprint: str, keys: set[str], style: _Style
    ) -> Read:
        url = style.url(path)
        canonical = read_canonical(data, url)
        if (below := _below(canonical, style.canonical)) is not None:
            if _key(unquote(below)) == _key(path):
                # Of one site, some addresses may end with a slash and others not.
                url = f"{style.base}/{below}"
            elif _key(unquote(below)) in keys:
                return SkippedDocument(path, f"says that it is a copy of {canonical}")
        page = read_page(data, url)
        if page.left_out:
            return SkippedDocument(path, page.left_out)
        return Document(
            path,
            url,
            page.title,
            page.pieces,
            version=self.version or page.version,
            locale=self.locale or page.locale,
            breadcrumbs=page.breadcrumbs,
            fingerprint=fingerprint,
        )

    def _fingerprint(self, path: str, data: bytes, style: _Style) -> str:
        # All that the document is made of, so that a page is known by it alone.
        made_of = repr((FORMAT, path, style, self.version, self.locale)).encode()
        return hashlib.sha256(made_of + data).hexdigest()[:32]

    def _ask(self, paths: list[str]) -> _Style:
        """Find out from some pages where they are served and how links to them are written."""
        prefixes: Counter[str] = Counter()
        links: list[str] = []
        for path in paths[:: len(paths) // _ASKED + 1]:
            try:
                canonical, found = read_places(
                    read_page_file(self.folder / path), f"/{quote(path)}"
                )
            except UnreadablePageError:
                continue
            links += found
            if canonical and (prefix := _prefix(canonical, path)) is not None:
                prefixes[prefix] += 1
        prefix = prefixes.most_common(1)[0][0] if prefixes else ""
        files = set(paths)
        forms: Counter[str] = Counter()
        for link in links:
            # Links with a host lead to other sites.
            below = _below(link, prefix) or _below(link, "") if link.startswith("/") else None
            if not below:
                continue
            place = unquote(below)
            if place in files:
                forms["file"] += not _INDEX.search(place)
            elif f"{place}.html" in files:
                forms["name"] += 1
            elif f"{place}/index.html" in files:
                forms["folder"] += 1
            elif f"{place}index.html" in files:
                forms["folder/"] += 1
        return _Style(
            canonical=prefix,
            base=prefix if self.base_url is None else self.base_url.rstrip("/"),
            keeps_suffix=forms["file"] >= forms["name"],
            ends_folders=forms["folder/"] >= forms["folder"],
        )


def list_pages(folder: Path) -> list[str]:
    """List the paths of the files that are web pages; links to folders are not followed."""
    found: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != "." and name not in _LEFT_OUT]
        relative = Path(place).relative_to(folder)
        found += [
            (relative / name).as_posix()
            for name in files
            if name[0] != "." and Path(name).suffix.lower() in _SUFFIXES
        ]
    return sorted(found)


def _key(place: str) -> str:
    """What all addresses of a page have in common."""
    return _ENDING.sub("", place).strip("/")


def _below(url: str, prefix: str) -> str | None:
    """The part of an address below the path where the site begins, None where it isn't."""
    path = urlsplit(url).path
    return path.removeprefix(prefix)[1:] if url and path.startswith(f"{prefix}/") else None


def _prefix(canonical: str, path: str) -> str | None:
    """The path to the folder, from the canonical address of one of its pages."""
    said, own = f"/{_key(urlsplit(canonical).path)}", f"/{_key(quote(path))}"
    return said.removesuffix(own).rstrip("/") if said.endswith(own) or own == "/" else None
