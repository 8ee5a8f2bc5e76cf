"""Reads a web page: what it says, what it is called, where it stands, and whether to keep it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urldefrag, urlsplit

from html_to_markdown import ConversionError
from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from chatkit_tools.errors import RefusedPageError, UnreadablePageError
from chatkit_tools.html_content import (
    absolute_url,
    clean_spaces,
    clean_text,
    find_content,
    write_markdown,
)
from chatkit_tools.html_text import decode_page
from chatkit_tools.page_file import check_size
from chatkit_tools.pieces import Piece, split_markdown

# Browsers stop at 512 as well; parsers get slow, and converters run out of stack, far above.
_MAX_DEPTH = 500

_NESTING_TAG = re.compile(
    r"<(/?)(?:div|section|article|main|ul|ol|dl|blockquote|table|details|span|aside|figure|header"
    r"|footer|nav|form|fieldset|font|center|b|i|em|strong|a|svg|g)(?=[\s>/])",
    re.IGNORECASE,
)
_TITLE_LENGTH = 300
_BODY = re.compile(rb"<body\b", re.IGNORECASE)
_REFRESH = re.compile(
    r"^\s*(?P<delay>[\d.]*)\s*[;,]?\s*(?:url\s*=\s*)?['\"]?(?P<url>[^'\"]*)", re.IGNORECASE
)
_SITE_NAME = re.compile(r"\s+(?:[|·•»—–-]|::)\s+(?!.*\s(?:[|·•»—–-]|::)\s)")
_SEPARATORS = re.compile(r"^[\s»›>/]+|[\s»›>/]+$")
# Docusaurus names the kind of each page that lists others.
_LISTS = {
    "blog-list-page": "lists blog posts",
    "blog-tags-list-page": "lists tags",
    "blog-tags-post-list-page": "lists the posts of a tag",
    "blog-authors-list-page": "lists authors",
    "blog-authors-posts-page": "lists the posts of an author",
    "docs-tags-list-page": "lists tags",
    "docs-tags-doc-list-page": "lists the pages of a tag",
    "search-page-wrapper": "is a search page",
}
_MARKED = (
    ("#search-results", "is a search page"),
    (".genindextable, .indextable.modindextable", "is an index of words"),
    ("a.viewcode-back, .viewcode-back", "is source code"),
    (".td-taxonomy, .td-term, body.taxonomy, body.term", "lists pages by a term"),
    # Docusaurus' list of all posts by year has no class of its own.
    ("html.plugin-blog:not(.blog-wrapper)", "lists blog posts"),
    (".theme-unlisted-banner, .theme-draft-banner", "is unlisted"),
)
_BREADCRUMBS = (
    "nav[aria-label=breadcrumbs i] li, nav[aria-label=breadcrumb i] li",
    ".wy-breadcrumbs li:not(.wy-breadcrumbs-aside)",
    ".breadcrumbs li, ol.breadcrumb li, ul.bd-breadcrumbs li",
    "nav.md-path li",
)
_HOMES = frozenset({"", "home", "index", "#"})


@dataclass(frozen=True, slots=True)
class HtmlPage:
    """What a web page says; addresses are absolute where the page's own is."""

    title: str
    pieces: tuple[Piece, ...]
    version: str
    locale: str
    breadcrumbs: tuple[str, ...]
    canonical: str
    """The address that the page gives itself; empty where it gives none."""
    left_out: str
    """Why the page is not for search, as what follows its name; empty where it is."""


def read_page(data: bytes, url: str, charset: str | None = None) -> HtmlPage:
    """Read the page that was found at `url`; `charset` is what the server said of its encoding.

    Raises:
        RefusedPageError: it is no page, too big, or nests too deep.
        UnreadablePageError: it can't be parsed, or is in no encoding that is known.
    """
    tree = _parse(data, charset)
    try:
        return _read_tree(tree, url)
    except (SelectolaxError, ConversionError) as exc:
        raise UnreadablePageError(f"can't be parsed: {exc}") from exc


def read_canonical(data: bytes, url: str) -> str:
    """Return the address that a page gives itself, empty where it gives none."""
    body = _BODY.search(data)
    tree = _parse(data[: body.start()] if body else data, None)
    return _find_canonical(tree, _find_base(tree, url))


def read_places(data: bytes, url: str) -> tuple[str, tuple[str, ...]]:
    """Return a page's canonical address and the addresses that it links to."""
    tree = _parse(data, None)
    base = _find_base(tree, url)
    return _find_canonical(tree, base), tuple(_find_links(tree, base))


def _parse(data: bytes, charset: str | None) -> LexborHTMLParser:
    check_size(len(data))
    text = decode_page(data, charset)
    if _depth(text) > _MAX_DEPTH:
        raise RefusedPageError(f"nests its elements more than {_MAX_DEPTH} deep")
    try:
        return LexborHTMLParser(text)
    except SelectolaxError as exc:
        raise UnreadablePageError(f"can't be parsed: {exc}") from exc


def _depth(text: str) -> int:
    depth = deepest = 0
    for tag in _NESTING_TAG.finditer(text):
        if tag[1]:
            depth -= depth > 0
        else:
            depth += 1
            deepest = max(deepest, depth)
    return deepest


def _read_tree(tree: LexborHTMLParser, url: str) -> HtmlPage:
    metas = _read_metas(tree)
    base = _find_base(tree, url)
    robots = set(re.split(r"[\s,;]+", metas.get("robots", "").lower()))
    redirect = _find_redirect(tree, base)
    marked = _find_marks(tree, url)
    version = _find_version(metas)
    locale = (
        metas.get("docusaurus_locale")
        or metas.get("docsearch:language")
        or _attribute(tree, "html", "lang")
    )
    breadcrumbs = _find_breadcrumbs(tree)
    title = _find_title(tree, metas)
    canonical = _find_canonical(tree, base)

    content = find_content(tree)
    page = split_markdown(write_markdown(content, base)) if content is not None else None
    title = (page.title if page else "") or title
    pieces = page.pieces if page else ()
    if breadcrumbs and breadcrumbs[-1] == title:
        breadcrumbs = breadcrumbs[:-1]
    if not robots.isdisjoint({"noindex", "none"}):
        left_out = "asks not to be indexed (robots: noindex)"
    elif redirect:
        left_out = f"sends its readers to {redirect}"
    else:
        left_out = marked or ("" if pieces else "has no text")
    return HtmlPage(
        title=title or _name(url),
        pieces=pieces,
        version=version,
        locale=locale.strip(),
        breadcrumbs=breadcrumbs,
        canonical=canonical,
        left_out=left_out,
    )


def _read_metas(tree: LexborHTMLParser) -> dict[str, str]:
    metas: dict[str, str] = {}
    for meta in tree.css("meta[content]"):
        # Docusaurus writes `property` where it means `name`, for robots too.
        for name in (meta.attrs.get("name"), meta.attrs.get("property")):
            if name:
                metas.setdefault(name.lower(), clean_spaces(meta.attrs.get("content") or ""))
    return metas


def _attribute(tree: LexborHTMLParser, selector: str, name: str) -> str:
    node = tree.css_first(selector)
    return (node.attrs.get(name) or "") if node is not None else ""


def _find_base(tree: LexborHTMLParser, url: str) -> str:
    return absolute_url(_attribute(tree, "base[href]", "href"), url) or url


def _find_canonical(tree: LexborHTMLParser, base: str) -> str:
    found = absolute_url(_attribute(tree, "link[rel=canonical i]", "href"), base)
    return urldefrag(found or "").url


def _find_redirect(tree: LexborHTMLParser, base: str) -> str:
    # For readers without scripts, some pages send to others; this one is the page for the rest.
    for meta in tree.css("meta[http-equiv=refresh i]:not(noscript meta)"):
        found = _REFRESH.match(meta.attrs.get("content") or "")
        target = absolute_url(found["url"], base) if found else None
        if target and urldefrag(target).url != urldefrag(base).url:
            return target
    return ""


def _find_marks(tree: LexborHTMLParser, url: str) -> str:
    path = urlsplit(url).path.rstrip("/")
    if path.rsplit("/", 1)[-1] in ("404", "404.html"):
        return "is the page for what was not found"
    if "/_modules/" in f"{path}/":
        return "is source code"
    classes = _attribute(tree, "html", "class").split()
    for name, reason in _LISTS.items():
        if name in classes:
            return reason
    for selector, reason in _MARKED:
        if tree.css_first(selector) is not None:
            return reason
    return ""


def _find_version(metas: dict[str, str]) -> str:
    version = metas.get("docsearch:version") or metas.get("docusaurus_version")
    if not version and (tag := metas.get("docusaurus_tag")):
        # docs-<plugin>-<version>; pages outside the docs have "default".
        version = tag.split("-", 2)[2] if tag.count("-") >= 2 else ""
    # DocSearch takes several: "2.0.0,latest".
    return (version or metas.get("readthedocs-version-slug", "")).split(",")[0].strip()


def _find_title(tree: LexborHTMLParser, metas: dict[str, str]) -> str:
    for selector in ("main h1, [role=main] h1, article h1", "head title, title"):
        node = tree.css_first(selector)
        if node is not None and (text := clean_text(node)[:_TITLE_LENGTH].strip(" ¶")):
            return text if "h1" in selector else _without_site(text, metas.get("og:site_name", ""))
    return ""


def _without_site(title: str, site: str) -> str:
    if site and title.endswith(site) and title != site:
        title = title.removesuffix(site).rstrip(" |·•»—–:-")
    else:
        title = _SITE_NAME.split(title, maxsplit=1)[0]
    return title.strip()


def _name(url: str) -> str:
    path = urlsplit(url).path.rstrip("/")
    return path.rsplit("/", 1)[-1].removesuffix(".html") or url


def _find_breadcrumbs(tree: LexborHTMLParser) -> tuple[str, ...]:
    for selector in _BREADCRUMBS:
        names = [_SEPARATORS.sub("", clean_text(item)) for item in _unique(tree.css(selector))]
        if names:
            return tuple(name for name in names if name.lower() not in _HOMES)
    for script in tree.css('script[type="application/ld+json"]'):
        try:
            data = json.loads(script.text())
        except (ValueError, RecursionError):
            continue
        for item in _things(data):
            if item.get("@type") == "BreadcrumbList":
                return tuple(name for name in _listed(item) if name.lower() not in _HOMES)
    return ()


def _things(data: Any) -> Iterator[dict[str, Any]]:
    for item in data if isinstance(data, list) else [data]:
        if isinstance(item, dict):
            yield item
            graph = item.get("@graph")
            yield from (
                (part for part in graph if isinstance(part, dict))
                if isinstance(graph, list)
                else ()
            )


def _listed(breadcrumbs: dict[str, Any]) -> Iterator[str]:
    entries = breadcrumbs.get("itemListElement")
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            thing = entry.get("item")
            name = entry.get("name") or (thing.get("name") if isinstance(thing, dict) else None)
            if isinstance(name, str):
                # Half a character, which JSON may hold, can't be sent.
                yield clean_spaces(name.encode(errors="replace").decode())


def _find_links(tree: LexborHTMLParser, base: str) -> Iterator[str]:
    for link in tree.css("a[href]"):
        target = absolute_url(link.attrs.get("href"), base)
        if target and not target.startswith("mailto:"):
            yield urldefrag(target).url


def _unique(nodes: list[LexborNode]) -> list[LexborNode]:
    return list({node.mem_id: node for node in nodes}.values())
