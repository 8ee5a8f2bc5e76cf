"""Proposes how to map a collection that something else filled, from a sample of its payloads."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from statistics import mean
from typing import Any

from chatkit_tools.mapping import FieldMapping, split_path

_DEPTH = 4
_MAX_FIELDS = 300
_EXAMPLE_CHARS = 60
_ENOUGH = 0.05
_DOCS_FOLDERS = frozenset({"docs", "doc", "documentation", "content", "pages"})

# Names in the order in which they are believed, in small letters and without `_` and `-`.
_TEXT = (
    "pagecontent", "text", "content", "textsegment", "doccontent", "document", "chunktext",
    "chunk", "chunkcontent", "body", "passage", "markdown", "rawtext", "contents", "snippet",
    "paragraph", "data", "value", "information",
)  # fmt: skip
_URL = (
    "url", "pageurl", "docurl", "sourceurl", "permalink", "canonicalurl", "canonical", "link",
    "href", "weburl", "uri", "loc", "address",
)  # fmt: skip
_PATHS = (
    "source", "path", "filepath", "docpath", "documentpath", "relativepath", "relpath", "file",
    "filename", "sourcefile", "documentid", "docid", "slug",
)  # fmt: skip
_TITLE = (
    "title", "pagetitle", "doctitle", "documenttitle", "header1", "heading1", "h1", "lvl1",
    "sidebarlabel", "documentname", "docname", "name", "subject",
)  # fmt: skip
_HEADINGS = (
    "headings", "headingpath", "headerpath", "headerspath", "sectionpath", "breadcrumbs",
    "breadcrumb", "hierarchy", "headers", "heading", "header", "sectiontitle", "sectionheading",
    "section", "sectionname", "subtitle",
)  # fmt: skip
_ANCHOR = ("anchor", "fragment", "sectionid", "headingid", "sectionanchor", "urlfragment")
_VERSION = ("version", "docsversion", "docversion", "productversion", "release", "apiversion")
_LOCALE = ("locale", "lang", "language", "langcode", "hl")
_LEVEL = re.compile(r"(?:header|heading|h|lvl)([2-6])")
_LOCALE_VALUE = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z]{2,4}){0,2}")
_SHORT_ENOUGH = {"title": 200, "headings": 400, "anchor": 200, "version": 40}
_WEB = re.compile(r"https?://", re.IGNORECASE)
_FILE = re.compile(
    r"(?:[\w.@~+-]+|[A-Za-z]:)?(?:[/\\][^\s/\\][^/\\\n]*)*\.[A-Za-z][A-Za-z0-9]{0,5}"
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for one line of a proposal."""

    path: str
    share: float
    """Part of the sampled points that have the field, from 0 to 1."""
    example: str
    """A value, shortened."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A mapping that a sample of points suggests; `kind` names the program that fills them so."""

    mapping: FieldMapping
    evidence: Mapping[str, tuple[Evidence, ...]]
    kind: str | None = None

    def lines(self) -> list[str]:
        """Return the settings as lines of an `.env` file."""
        mapping = self.mapping
        found = {
            "TEXT": ", ".join(mapping.text),
            "URL": ", ".join(mapping.url),
            "TITLE": ", ".join(mapping.title),
            "HEADING": ", ".join(mapping.headings),
            "ANCHOR": ", ".join(mapping.anchor),
            "VERSION": ", ".join(mapping.version),
            "LOCALE": ", ".join(mapping.locale),
            "VECTOR": mapping.vector or "",
            "ROOT": mapping.root,
            "BASE_URL": mapping.base_url if mapping.base_url != "/" else "",
        }
        return [
            f"CHATKIT_COLLECTION_{name}={_quoted(value)}" for name, value in found.items() if value
        ]


@dataclass(slots=True)
class _Field:
    path: str
    name: str
    values: list[str]
    is_list: bool
    share: float

    @property
    def words(self) -> float:
        return mean(len(value.split()) for value in self.values)

    def most(self, test: Callable[[str], object]) -> bool:
        return sum(bool(test(value)) for value in self.values) >= 0.8 * len(self.values)

    def evidence(self) -> Evidence:
        example = " ".join(self.values[0].split())
        short = example if len(example) <= _EXAMPLE_CHARS else f"{example[:_EXAMPLE_CHARS]}…"
        return Evidence(self.path, self.share, short)


def propose(payloads: Sequence[Mapping[str, Any]], vector: str | None = None) -> Proposal | None:
    """Propose a mapping from payloads; None where no field looks like text."""
    fields = _survey(payloads)
    text = _find_text(fields)
    if text is None:
        return None
    fields = [field for field in fields if field.path != text.path]
    url = _find_url(fields)
    rest = [field for field in fields if field not in url]
    title = _named(rest, _TITLE, _is_title)
    headings = _find_headings([field for field in rest if field != title])
    anchor = _named(rest, _ANCHOR, lambda f: f.most(lambda v: " " not in v) and _short(f, "anchor"))
    version = _named(rest, _VERSION, lambda field: _short(field, "version"))
    locale = _named(rest, _LOCALE, lambda field: field.most(_LOCALE_VALUE.fullmatch))
    is_file = bool(url) and not url[0].most(_WEB.match)
    mapping = FieldMapping(
        text=(text.path,),
        url=tuple(field.path for field in url),
        title=_paths(title),
        headings=tuple(field.path for field in headings),
        anchor=_paths(anchor),
        version=_paths(version),
        locale=_paths(locale),
        root=_root(url[0].values) if is_file else "",
        vector=vector,
    )
    evidence = {
        "text": (text.evidence(),),
        "url": tuple(field.evidence() for field in url),
        "title": (title.evidence(),) if title else (),
        "heading": tuple(field.evidence() for field in headings),
        "anchor": (anchor.evidence(),) if anchor else (),
        "version": (version.evidence(),) if version else (),
        "locale": (locale.evidence(),) if locale else (),
    }
    return Proposal(
        mapping, {key: value for key, value in evidence.items() if value}, _kind(payloads)
    )


def _survey(payloads: Sequence[Mapping[str, Any]]) -> list[_Field]:
    values: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    lists: set[str] = set()
    for payload in payloads:
        for keys, value in _leaves(payload, ()):
            path = ".".join(f'"{key}"' if "." in key else key for key in keys)
            if path not in values and len(values) >= _MAX_FIELDS:
                continue
            if isinstance(value, list):
                lists.add(path)
                value = " > ".join(value)
            values.setdefault(path, []).append(value)
            names[path] = re.sub(r"[^a-z0-9]", "", keys[-1].lower())
    total = len(payloads)
    return [
        _Field(path, names[path], found, path in lists, len(found) / total)
        for path, found in values.items()
        if len(found) >= max(_ENOUGH * total, 1)
    ]


def _leaves(value: Any, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every text of a payload with the keys that lead to it, through JSON in texts too."""
    if isinstance(value, str) and value.lstrip().startswith("{") and keys:
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = None
        if isinstance(parsed, dict):
            value = parsed
    if isinstance(value, Mapping):
        if len(keys) < _DEPTH:
            for key, below in value.items():
                if isinstance(key, str) and key and '"' not in key:
                    yield from _leaves(below, (*keys, key))
    elif isinstance(value, str):
        if value.strip():
            yield keys, value.strip()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield keys, str(value)
    elif isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        yield keys, [part for part in value if part.strip()]


def _find_text(fields: Sequence[_Field]) -> _Field | None:
    prose = [
        field
        for field in fields
        if not field.is_list and field.words >= 3 and not field.most(_WEB.match)
    ]
    named = [field for field in prose if field.name in _TEXT and field.share >= 0.5]
    if named:
        # A `text` of five words beside a `content` of hundred is something else.
        longest = max(field.words for field in named)
        return min(
            (field for field in named if field.words >= longest / 4),
            key=lambda field: (_TEXT.index(field.name), -field.share, len(split_path(field.path))),
        )
    long = [field for field in prose if field.share >= 0.5 and field.words >= 12]
    return max(long, key=lambda field: field.words * field.share, default=None)


def _find_url(fields: Sequence[_Field]) -> list[_Field]:
    """Return the field with addresses, and after it one that stands in where it is missing."""
    web = [field for field in fields if field.most(_WEB.match) and not field.is_list]
    # Whatever it is called, a field with a different address for most pages is theirs.
    other = sorted(web, key=lambda field: (-field.share, -len(set(field.values)), field.path))
    found = (_ordered(web, _URL + _PATHS) or other)[:1]
    if found and found[0].share > 0.95:
        return found
    places = [
        field
        for field in _ordered(fields, _URL + _PATHS)
        if field not in found and not field.is_list and field.most(_is_place)
    ]
    # A whole address first, then the longer path: `docs/guides/a.md` says more than `a.md`.
    places.sort(key=lambda field: (-(field.share > 0.5), -mean(v.count("/") for v in field.values)))
    return [*found, *places[:1]]


def _is_place(value: str) -> bool:
    if "\n" in value or len(value) > 1_000:
        return False
    return bool(
        _WEB.match(value)
        or value.startswith("/")
        or _FILE.fullmatch(value)
        or ("/" in value and " " not in value)
    )


def _find_headings(fields: Sequence[_Field]) -> list[_Field]:
    levels = [(level[1], field) for field in fields if (level := _LEVEL.fullmatch(field.name))]
    if levels:
        return [field for _, field in sorted(levels, key=lambda entry: entry[0])]
    found = _named(fields, _HEADINGS, lambda field: _short(field, "headings"))
    return [found] if found else []


def _is_title(field: _Field) -> bool:
    return (
        _short(field, "title")
        and not field.is_list
        and not field.most(_WEB.match)
        and not field.most(lambda value: _FILE.fullmatch(value) and " " not in value)
    )


def _short(field: _Field, what: str) -> bool:
    return field.most(lambda value: len(value) <= _SHORT_ENOUGH[what])


def _named(
    fields: Sequence[_Field], names: Sequence[str], test: Callable[[_Field], bool]
) -> _Field | None:
    return next((field for field in _ordered(fields, names) if test(field)), None)


def _ordered(fields: Sequence[_Field], names: Sequence[str]) -> list[_Field]:
    return sorted(
        (field for field in fields if field.name in names),
        key=lambda field: (field.share < 0.5, names.index(field.name), len(field.path)),
    )


def _paths(field: _Field | None) -> tuple[str, ...]:
    return (field.path,) if field else ()


def _root(values: Sequence[str]) -> str:
    """Return the folder that all paths begin with, where they are paths of a disk or a bucket."""
    paths = [value.replace("\\", "/") for value in values if not _WEB.match(value)]
    whole = [path for path in paths if re.match(r"/|[A-Za-z]:/|[A-Za-z][A-Za-z0-9+.-]+://", path)]
    if not paths or len(whole) < len(paths):
        return ""
    if not any(PurePosixPath(path).suffix for path in paths):
        # Not files, but the site's own addresses.
        return ""
    parts = [path.split("/")[:-1] for path in paths]
    shared: list[str] = []
    for names in zip(*parts, strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    # Samples from one folder of the docs share more than the docs' own folder.
    inner = [place for place, name in enumerate(shared) if name.lower() in _DOCS_FOLDERS]
    shared = shared[: inner[-1] + 1] if inner else shared
    return "/".join(shared) if len(shared) > 1 else ""


def _kind(payloads: Sequence[Mapping[str, Any]]) -> str | None:
    keys: Counter[str] = Counter(key for payload in payloads for key in payload)
    has = {key for key, count in keys.items() if count > 0.5 * len(payloads)}
    if "_node_content" in has:
        return "LlamaIndex"
    if {"page_content", "metadata"} <= has:
        return "LangChain"
    if {"content", "meta"} <= has:
        return "Haystack"
    if {"content", "metadata"} <= has:
        return "LangChain.js, n8n or Flowise"
    if "text_segment" in has:
        return "LangChain4j"
    if "doc_content" in has:
        return "Spring AI"
    if "document" in has:
        return "qdrant-client with FastEmbed"
    return None


def _quoted(value: str) -> str:
    return (
        value
        if re.fullmatch(r"[\w.,:/@-]+", value)
        else f"'{value}'"
        if '"' in value
        else f'"{value}"'
    )
