"""Reads a folder of Markdown or MDX as Docusaurus would, page by page."""

import hashlib
import json
import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any
from urllib.parse import quote

import yaml

from chatkit_tools.errors import RefusedPageError, SourceError, UnreadablePageError
from chatkit_tools.links import resolve_links
from chatkit_tools.note import FORMAT
from chatkit_tools.page_file import read_page_file
from chatkit_tools.pieces import Piece, split_pieces
from chatkit_tools.source import (
    Document,
    Read,
    SkippedDocument,
    UnchangedDocument,
    UnreadableDocument,
    read_in_thread,
)

_FRONT_MATTER = re.compile(
    r"\A---[ \t]*\r?\n(?P<yaml>.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE
)
_NUMBER_PREFIX = re.compile(r"^\d+\s*[-_.]+\s*(?P<rest>[^-_.\s].*)$")
# "2021-11-release" and "7.0-notes" start with a date and a version, not with a place in an order.
_DATE_OR_VERSION = re.compile(
    r"^(?:(?:\d{2}|\d{4})[-_.]\d{2}(?:[-_.](?:\d{2}|\d{4}))?|\d+[-_.]\d+)"
)
_SUFFIXES = frozenset({".md", ".mdx"})
_LEFT_OUT = frozenset({"node_modules", "__tests__"})
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Few aliases of aliases make millions of values, and deep nesting ends the process.
_MAX_ALIASES = 16
_MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    url: str
    yaml: str
    body: str
    front_matter: dict[str, Any]


class MarkdownFolder:
    """A folder of Markdown or MDX: one version of the docs, in one language."""

    def __init__(
        self,
        folder: Path,
        base_url: str = "/",
        *,
        trailing_slash: bool = False,
        version: str = "",
        locale: str = "",
    ) -> None:
        """
        Args:
            folder: Partials (`_name.mdx`, `_folder/`) in it are left out, drafts and unlisted
                pages skipped.
            base_url: Where the folder is served, a path or a whole address.
            trailing_slash: Whether the site ends every page's address with a slash, as
                Docusaurus' option of that name does.
            version: Of all its pages; empty where the docs have one version.
            locale: Language of all its pages; empty where the docs have one.
        """
        self.folder = folder
        self.base_url = base_url
        self.version = version
        self.locale = locale
        self._trailing_slash = trailing_slash
        self._total: int | None = None

    @property
    def name(self) -> str:
        """Where the folder is served."""
        return self.base_url.rstrip("/") + "/"

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
        paths = list_documents(self.folder)
        self._total = len(paths)
        if not paths:
            raise SourceError(
                f"{self.folder} has no Markdown file (.md, .mdx); nothing was changed"
            )
        files: list[_File] = []
        for path in paths:
            try:
                head, body = _read_source(self.folder / path)
                front_matter = _read_front_matter(head)
            except RefusedPageError as exc:
                yield SkippedDocument(path, str(exc))
                continue
            except UnreadablePageError as exc:
                yield UnreadableDocument(path, str(exc))
                continue
            if kept_back := next(
                (word for word in ("draft", "unlisted") if front_matter.get(word) is True), None
            ):
                yield SkippedDocument(path, f"is {kept_back} (front matter)")
                continue
            url = page_url(path, front_matter, self.base_url, trailing_slash=self._trailing_slash)
            files.append(_File(path, url, head, body, front_matter))
        # Links between files are resolved, so every address is known before the first page is made.
        urls = {file.path: file.url for file in files}
        for file in files:
            fingerprint = self._fingerprint(file, urls)
            if known.get(file.url) == fingerprint:
                yield UnchangedDocument(file.path, file.url)
            else:
                yield self._make_document(file, urls, fingerprint)

    def _fingerprint(self, file: _File, urls: Mapping[str, str]) -> str:
        # With its links resolved: where they lead is decided by other files too.
        body = resolve_links(file.body, path=file.path, url=file.url, urls=urls)
        parts = [FORMAT, self.version, self.locale, file.url, file.yaml, body]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    def _make_document(self, file: _File, urls: Mapping[str, str], fingerprint: str) -> Document:
        page = split_pieces(file.body)
        pieces = tuple(
            replace(piece, text=resolve_links(piece.text, path=file.path, url=file.url, urls=urls))
            for piece in page.pieces
        )
        if not pieces and (description := _text(file.front_matter, "description")):
            pieces = (Piece(anchor=None, headings=(), text=description),)
        title = (
            _text(file.front_matter, "title")
            or page.title
            or _text(file.front_matter, "sidebar_label")
            or _strip_number(PurePosixPath(file.path).stem)
        )
        return Document(
            file.path,
            file.url,
            title,
            pieces,
            version=self.version,
            locale=self.locale,
            fingerprint=fingerprint,
        )


def read_documents(
    folder: Path, base_url: str = "/", *, trailing_slash: bool = False
) -> Iterator[Document | UnreadableDocument]:
    """Yield every page below `folder` in the order of its path; see `MarkdownFolder`."""
    source = MarkdownFolder(folder, base_url, trailing_slash=trailing_slash)
    for found in source._read({}):
        if isinstance(found, Document | UnreadableDocument):
            yield found


def list_documents(folder: Path) -> list[str]:
    """List the paths of the files that are pages."""
    found: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name[0] not in "_." and name not in _LEFT_OUT]
        relative = Path(place).relative_to(folder)
        found += [
            (relative / name).as_posix()
            for name in files
            if name[0] not in "_." and Path(name).suffix.lower() in _SUFFIXES
        ]
    return sorted(found)


def page_url(
    path: str, front_matter: dict[str, Any], base_url: str, *, trailing_slash: bool = False
) -> str:
    """Return the address that Docusaurus gives to the page made from `path`."""
    parts = [_strip_number(part) for part in PurePosixPath(path).with_suffix("").parts]
    *folders, name = parts
    slug = _scalar(front_matter.get("slug"))
    is_index = name.lower() in {"index", "readme", *(part.lower() for part in folders[-1:])}
    if slug is None and is_index:
        place = "/" + "".join(f"{part}/" for part in folders)
    else:
        last = str(slug if slug is not None else _scalar(front_matter.get("id")) or name)
        joined = last if last.startswith("/") else "/".join(["", *folders, last])
        place = normpath("/" + joined.lstrip("/"))
        if joined.endswith("/") and place != "/":
            place += "/"
    if trailing_slash and not place.endswith("/"):
        place += "/"
    return base_url.rstrip("/") + quote(place, safe="/%:@!$&'()*+,;=~")


def _strip_number(part: str) -> str:
    found = _NUMBER_PREFIX.match(part)
    return found["rest"] if found and not _DATE_OR_VERSION.match(part) else part


def _read_source(file: Path) -> tuple[str, str]:
    """Return the front matter, as it stands there, and the rest."""
    try:
        text = read_page_file(file).decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise UnreadablePageError(f"is not UTF-8 at byte {exc.start}") from exc
    found = _FRONT_MATTER.match(text)
    body = text[found.end() :] if found else text
    return found["yaml"] if found else "", body.replace("\r\n", "\n")


def _read_front_matter(text: str) -> dict[str, Any]:
    try:
        _check_extent(text)
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 - the safe loader, compiled
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        problem = getattr(exc, "problem", None) or "is not YAML"
        # Lines are counted in the file, whose first one is the opening mark.
        where = f", line {mark.line + 2}" if mark else ""
        raise UnreadablePageError(f"front matter{where}: {problem}") from exc
    except (ValueError, AttributeError, TypeError, RecursionError) as exc:
        # Of a value that is none of its kind, such as the date 2024-13-45.
        raise UnreadablePageError(f"front matter: {exc}") from exc
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise UnreadablePageError("front matter is no list of `name: value`")
    return data


def _check_extent(text: str) -> None:
    """Refuse what would become far more than is written there."""
    depth = aliases = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > _MAX_DEPTH or aliases > _MAX_ALIASES:
            raise UnreadablePageError(
                f"front matter is nested more than {_MAX_DEPTH} deep"
                if depth > _MAX_DEPTH
                else f"front matter has more than {_MAX_ALIASES} aliases"
            )


def _scalar(value: Any) -> Any:
    """Leave out lists and maps, which are no name of anything."""
    return None if isinstance(value, list | dict | set | tuple | bytes) else value


def _text(front_matter: dict[str, Any], name: str) -> str:
    value = _scalar(front_matter.get(name))
    return "" if value is None else str(value).strip()
