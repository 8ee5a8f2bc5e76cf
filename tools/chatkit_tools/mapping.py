"""Reads the payload of a collection that something else filled, as if it were one of ours."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from chatkit_tools.anchors import slugify

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_PATH = re.compile(r'(?:"[^"]+"|[^".]+)(?:\.(?:"[^"]+"|[^".]+))*')
_KEY = re.compile(r'"([^"]+)"|([^".]+)')
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:(?=/|\D)")
_DRIVE = re.compile(r"[A-Za-z]:/")
_SEPARATOR = re.compile(r"\s+(?:>|\||/|::)\s+|\s*(?:›|»|→)\s*|\s*\n\s*")
_MARKS = re.compile(r"^#{1,6}\s+|\s+#+$")
_FIRST_HEADING = re.compile(r"\A\s*#\s+(?P<title>[^\n]+)")
# Without tab and newline.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff]")
# Halves of characters, which JSON in a field may have, and nothing that is sent.
_HALVES = re.compile("[\ud800-\udfff]")
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)
_GAP = re.compile(r"\n{3,}")
_MARKDOWN = frozenset({".md", ".mdx", ".markdown", ".mdown"})
_MAX_TITLE = 300
_MAX_HEADINGS = 6
# Somebody else's piece may be a whole book; a model reads eight of them with each question.
MAX_TEXT_CHARS = 12_000


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """Where the payload of a collection has what a passage needs.

    A path is written as in Qdrant: keys with dots between them, in double quotes where a key has
    a dot itself. It also leads into a field that holds an object as JSON. Of several paths the
    first with a value counts; those of `headings` are put together.
    """

    text: tuple[str, ...]
    url: tuple[str, ...] = ()
    title: tuple[str, ...] = ()
    headings: tuple[str, ...] = ()
    anchor: tuple[str, ...] = ()
    version: tuple[str, ...] = ()
    locale: tuple[str, ...] = ()
    base_url: str = "/"
    """Put in front of what is no whole address, and the address of what has none."""
    root: str = ""
    """What such paths begin with and addresses do not, such as a folder."""
    vector: str | None = None
    """Name of the dense vector, "" for the one without a name, None for the only one."""
    filter: Mapping[str, Any] = field(default_factory=dict)
    """Points that do not pass it are left alone, as Qdrant's REST interface writes a filter."""

    def __post_init__(self) -> None:
        for name in ("text", "url", "title", "headings", "anchor", "version", "locale"):
            # Its letters would be taken for paths, and nothing would ever be found there.
            if isinstance(value := getattr(self, name), str):
                raise TypeError(f"{name} takes several paths: write ({value!r},) for one")

    def fields(self) -> list[str]:
        """Return what of a payload must be asked for."""
        asked: dict[str, None] = {}
        for path in self._paths():
            # The whole first key, since what is below it may be JSON.
            asked[_selector(split_path(path)[:1])] = None
            if "." in path and '"' not in path:
                asked[_selector((path,))] = None
        return list(asked)

    def _paths(self) -> Iterable[str]:
        for paths in (
            self.text, self.url, self.title, self.headings, self.anchor, self.version, self.locale,
        ):  # fmt: skip
            yield from paths

    def read_text(self, payload: Mapping[str, Any]) -> str:
        """Return the passage's text, without what no reader should see."""
        return _clean(_first(payload, self.text))[:MAX_TEXT_CHARS].strip()

    def read(self, id_: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Return the payload that a passage of ours would have."""
        text = self.read_text(payload)
        headings = self._headings(payload)
        url = self._url(payload, headings)
        page = url.partition("#")[0]
        title = " ".join(_clean(_first(payload, self.title)).split())[:_MAX_TITLE]
        if not title:
            found = _FIRST_HEADING.match(text)
            title = _heading(found["title"]) if found else title_of(page)
        if headings and headings[0].casefold() == title.casefold():
            headings = headings[1:]
        has_page = bool(_first(payload, self.url))
        return {
            "document": page if has_page else id_,
            # Without an address it is a page by itself, so that there are not three hits at most.
            "page": page if has_page else id_,
            "url": url,
            "title": title,
            "headings": list(headings),
            "text": text,
            "position": 0,
            "version": _first(payload, self.version),
            "locale": _first(payload, self.locale),
        }

    def _headings(self, payload: Mapping[str, Any]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for path in self.headings:
            value = look_up(payload, path)
            # A crawler's `hierarchy` has a heading for each level.
            value = list(value.values()) if isinstance(value, Mapping) else value
            parts = value if isinstance(value, list) else [value]
            for part in parts:
                if isinstance(part, str):
                    found |= {_heading(name): None for name in _SEPARATOR.split(part.strip())}
        found.pop("", None)
        return tuple(found)[:_MAX_HEADINGS]

    def _url(self, payload: Mapping[str, Any], headings: tuple[str, ...]) -> str:
        url = self.address(_first(payload, self.url)) or self.base_url
        anchor = _first(payload, self.anchor).removeprefix("#")
        if "#" in url:
            return url
        if not anchor and headings:
            # As Docusaurus and GitHub name it; a page that has no such place opens at its top.
            anchor = slugify(headings[-1])
        return f"{url}#{quote(anchor, safe=_FRAGMENT)}" if anchor else url

    def address(self, value: str) -> str | None:
        """Return the address of the page that a field names, None where it can't have one."""
        value = value.strip().replace("\\", "/")
        if self.root and value.startswith(self.root):
            value = value[len(self.root) :].lstrip("/")
        if not value:
            return None
        if re.match(r"https?://", value, re.IGNORECASE):
            return quote(value, safe=_WHOLE)
        if _SCHEME.match(value) or _DRIVE.match(value):
            # A reader's browser must not follow `javascript:`, and can't follow `file:` or `s3:`.
            return None
        path, mark, fragment = value.partition("#")
        if PurePosixPath(path).suffix.lower() in _MARKDOWN:
            # Imported here, since it brings a parser that addresses of pages don't need.
            from chatkit_tools.documents import page_url

            path = page_url(path.lstrip("/"), {}, "").lstrip("/")
        else:
            path = quote(path, safe=_WHOLE)
        base = self.base_url if self.base_url.endswith("/") else f"{self.base_url}/"
        # A colon in the first folder is no scheme.
        joined = urljoin(base, path if path.startswith("/") else f"./{path}")
        return joined + mark + quote(fragment, safe=_FRAGMENT)


_WHOLE = "/%:@!$&'()*+,;=~?#[]"
_FRAGMENT = "%:@!$&'()*+,;=~?/"


def split_path(path: str) -> tuple[str, ...]:
    """Return the keys of a path.

    Raises:
        ValueError: it has none, or an empty one.
    """
    if not _PATH.fullmatch(path):
        raise ValueError(
            f"{path!r} is no path into a payload; write it like metadata.source, with double"
            " quotes around a name that has a dot in it"
        )
    return tuple(quoted or plain for quoted, plain in _KEY.findall(path))


def condition_key(path: str) -> str:
    """Return a path as Qdrant's conditions want it."""
    return _selector(split_path(path))


def look_up(payload: Mapping[str, Any], path: str) -> Any:
    """Return what stands at a path, None where nothing does."""
    if path in payload:
        return payload[path]
    value: Any = payload
    for key in split_path(path):
        if isinstance(value, str) and value.lstrip().startswith("{"):
            try:
                value = json.loads(value)
            except ValueError:
                return None
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def title_of(url: str) -> str:
    """Make a title of a page's address: `/docs/connect-postgres` is "Connect postgres"."""
    parts = urlsplit(url)
    names = [name for name in unquote(parts.path).split("/") if name]
    if names and PurePosixPath(names[-1]).stem.lower() == "index":
        names.pop()
    if not names:
        return parts.netloc or "Documentation"
    name = re.sub(r"\.(?:html?|md|mdx|rst|txt|pdf|ipynb|php)$", "", names[-1], flags=re.IGNORECASE)
    words = " ".join(re.split(r"[-_\s]+", name)).strip() or names[-1]
    return (words[:1].upper() + words[1:])[:_MAX_TITLE]


def _selector(keys: Iterable[str]) -> str:
    return ".".join(key if _PLAIN_KEY.fullmatch(key) else f'"{key}"' for key in keys)


def _first(payload: Mapping[str, Any], paths: Iterable[str]) -> str:
    for path in paths:
        if text := _string(look_up(payload, path)):
            return text
    return ""


def _string(value: Any) -> str:
    if isinstance(value, str):
        return _HALVES.sub("", value).strip()
    if isinstance(value, bool):
        return ""
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list):
        parts = [_string(part) for part in value if not isinstance(part, list)]
        return "\n\n".join(part for part in parts if part)
    return ""


def _clean(text: str) -> str:
    text = _HALVES.sub("", text)
    text = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _GAP.sub("\n\n", _TRAILING.sub("", text)).strip()


def _heading(text: str) -> str:
    return " ".join(_MARKS.sub("", _clean(text)).split())[:_MAX_TITLE]
