"""Finds what a web page says, without what surrounds it, and writes it down as Markdown."""

import re
from collections.abc import Iterable, Iterator
from html import escape
from urllib.parse import quote, urljoin, urlsplit

from html_to_markdown import ConversionOptions, convert
from selectolax.lexbor import LexborHTMLParser, LexborNode, create_tag

# The first one with text is taken: generators that mark their text, then what HTML offers.
_CONTENT = (
    ".theme-doc-markdown",  # Docusaurus
    "#__blog-post-container",
    "article.md-content__inner",  # Material for MkDocs
    "div[itemprop=articleBody]",  # Sphinx: Read the Docs, Furo, PyData, and its own themes
    "#furo-main-content",
    "article.bd-article",
    "div.body[role=main]",
    ".vp-doc",  # VitePress
    ".theme-default-content",  # VuePress
    ".sl-markdown-content",  # Starlight
    ".td-content",  # Hugo: Docsy, Book
    ".book-page article",
    "#mdbook-content main",
    "article.doc",  # Antora
    "main",
    "[role=main]",
    "#main-content",
    "#content",
    "article",
    "body",
)
# What stands within the content and is none of it.
_NOISE = ", ".join(
    """
    script style template noscript iframe object embed svg canvas video audio dialog button select
    textarea nav footer map link meta [role=navigation] [role=search] [role=contentinfo]
    [role=tablist] [aria-hidden=true] [hidden] [style*="display:none"] [style*="display:\\ none"]
    input:not([type=checkbox])
    div[class*=language-]>span.lang .sr-only .visually-hidden .skip-link .skip-to-content
    .toc #toc #TOC .md-toc .table-of-contents div.contents.topic nav.contents
    .theme-doc-toc-mobile .theme-doc-toc-desktop .theme-doc-breadcrumbs .theme-doc-version-banner
    .theme-doc-version-badge .theme-doc-footer .theme-edit-this-page .theme-last-updated
    .theme-unlisted-banner .pagination-nav
    .md-content__button .md-source-file .md-feedback .md-banner .md-tags
    .sphinxsidebar .rst-versions .rst-footer-buttons .wy-breadcrumbs .prev-next-area
    .viewcode-link .headerlink .copybtn .copy-btn .copy-button .clipboard .hash-link
    .header-anchor .sl-anchor-link .anchorjs-link .td-heading-self-link .heading-anchor
    .VPDocFooter .VPDocAside .VPLocalNav .VPDocOutlineDropdown .line-numbers-wrapper
    .td-page-meta .td-page-meta__lastmod .td-toc .feedback .article-meta
    .nav-wrapper .nav-chapters .sidetoc .toctree-wrapper .boring
    .edit-link .edit-page .edit-this-page .page-nav .breadcrumb .breadcrumbs
    .pagination .pager #footer
    .linenos .linenodiv .lnt .ln .gutter .rouge-gutter .lineno .line-number .line-numbers-rows
    """.split()  # noqa: SIM905 - one word a line would hide the list's sense
).replace("\\, ", " ")
# What is around the text where nothing marks the text itself.
_AROUND = ".sidebar, #sidebar, .navbar, #navbar, .menu, header:not(:has(h1)), footer, aside"
_ASIDES = "aside[class*=sidebar], aside[class*=toc], aside[id*=toc], div[class*=tocCollapsible]"

# A set of tabs or its bar, its labels, its panels, which are paired with them by their order.
_TABS = (
    (".tabbed-set", ".tabbed-labels > label", ".tabbed-content > *"),  # Material for MkDocs
    (".vp-code-group", ".tabs > label", ".blocks > *"),
    (".nav-tabs", ".nav-link", ".tab-content > .tab-pane"),  # Bootstrap
    ("[role=tablist]", "[role=tab]", "[role=tabpanel]"),
)
_LONE_LABELS = "label.sd-tab-label, .tabbed-set > label"
_TITLES = ", ".join(
    """
    [class*=admonitionHeading] .admonition-heading .admonition-title .custom-block-title
    .markdown-alert-title .starlight-aside__title .alert-heading .blockquote-tag-title
    .callout-title .hint-title [class*=codeBlockTitle] span.filename figcaption.header
    .code-block-caption p.rubric
    """.split()  # noqa: SIM905 - as above
)
_NUMBERED_CODE = "table.highlighttable, table.lntable, table.rouge-table"
_CODE_CELL = "td.code pre, td.rouge-code pre, td:last-child pre, td.rouge-code"
_LINES = ".token-line, .ec-line, [data-line]"
_LANGUAGE = re.compile(r"(?:^|\s)(?:language|lang|highlight|brush:)[-\s]([\w+#.-]+)")
_NO_LANGUAGES = frozenset({"default", "none", "text", "plaintext", "txt", "notranslate", "plain"})
_MATH = ((".katex-display", "$$"), (".katex", "$"), ("math", "$"), (".arithmatex, .math", "$"))
_TEX = re.compile(r"\\[(\[](.*)\\[)\]]\Z")
_HEADINGS = "h1, h2, h3, h4, h5, h6"
_NESTING = frozenset({"li", "blockquote", "td", "th", "dt", "figure"})
# What is longer is no heading, and slow to parse as one.
_HEADING_LENGTH = 500
# Marks before a heading, and sets of tabs, that are looked at: no page that is read has more.
_ALIASES = 10
_TAB_BARS = 500
_SIGNATURE = "dt.sig[id]"
_WEB = frozenset({"http", "https", "mailto"})
_ODD = re.compile(r"[{}\s]+")

_PRE = re.compile(r"(<pre>.*?</pre>)", re.DOTALL)
_SPACES = re.compile(r"\s+")
_WORD = re.compile(r"\w")
# The converter has no block for these; a division has one.
_DIVISIONS = re.compile(r"<(/?)(?:dl|dd|section|article|main|figure|center)(?=[\s>])")
_OPTIONS = ConversionOptions(
    bullets="-",
    autolinks=False,
    compact_tables=True,
    expand_abbreviations=False,
    extract_metadata=False,
    highlight_style="none",
    include_blockquote_citations=False,
)


def find_content(tree: LexborHTMLParser) -> LexborNode | None:
    """Return the element that holds the page's own text, None where there is no text."""
    for selector in _CONTENT:
        found = _unique(tree.css(selector))
        # Several articles are a list of something, for which a wider element comes later.
        if selector.startswith("article") and len(found) > 1:
            continue
        for node in found:
            if _WORD.search(node.text(separator=" ")):
                return node
    return None


def write_markdown(content: LexborNode, url: str) -> str:
    """Return the content as Markdown with absolute links; the element itself is used up.

    Each heading ends with `{#id}`, or `{#}` where no link leads to it.
    """
    _label_tabs(content)
    _write_math(content)
    _title_boxes(content)
    _drop(content, f"{_NOISE}, {_ASIDES}")
    if content.tag == "body":
        _drop(content, _AROUND)
    _write_code(content)
    _write_headings(content)
    _write_links(content, url)
    html = content.html or ""
    parts = _PRE.split(html)
    # A line break within a paragraph must not make a list or a heading of what follows it.
    parts[::2] = [_DIVISIONS.sub(r"<\1div", _SPACES.sub(" ", part)) for part in parts[::2]]
    return str(convert("".join(parts), _OPTIONS).content or "")


def clean_text(node: LexborNode) -> str:
    """Return an element's words, with single spaces."""
    return clean_spaces(node.text())


def clean_spaces(text: str) -> str:
    return _SPACES.sub(" ", text.replace("\u200b", "")).strip()


def _unique(nodes: Iterable[LexborNode]) -> list[LexborNode]:
    # A node that two selectors match comes twice, and using it after its end is a crash.
    return list({node.mem_id: node for node in nodes}.values())


def _inner_first(root: LexborNode, selector: str) -> list[LexborNode]:
    return [node for node in reversed(_unique(root.css(selector))) if node.mem_id != root.mem_id]


def _drop(root: LexborNode, selector: str) -> None:
    for node in _inner_first(root, selector):
        node.decompose()


def _replace(node: LexborNode, tag: str, html: str) -> None:
    new = create_tag(tag)
    new.inner_html = html
    node.insert_before(new)
    node.decompose()


def _label_tabs(content: LexborNode) -> None:
    for holders, labels, panels in _TABS:
        if content.css_first(panels) is None:
            continue
        for bar in _inner_first(content, holders)[:_TAB_BARS]:
            holder = _around_panels(bar, panels, content)
            names = [clean_text(label) for label in _unique(holder.css(labels))]
            found = _unique(holder.css(panels))
            for panel in found:
                # What is hidden until its tab is chosen is text of the page as well.
                for attribute in ("hidden", "style", "role", "aria-hidden"):
                    if attribute in panel.attrs:
                        del panel.attrs[attribute]
                if (parent := panel.parent) is not None and "class" in parent.attrs:
                    # Tabs around these must not count them as theirs.
                    del parent.attrs["class"]
            if len(names) == len(found):
                for name, panel in zip(names, found, strict=True):
                    _insert_title(panel, name)
            _drop(holder, labels)
    for label in _inner_first(content, _LONE_LABELS):
        _replace(label, "p", f"<strong>{escape(clean_text(label))}</strong>")


def _around_panels(bar: LexborNode, panels: str, content: LexborNode) -> LexborNode:
    """The nearest element around a bar of tabs that has the panels as well."""
    place = bar
    while place.css_first(panels) is None and place.mem_id != content.mem_id:
        if place.parent is None:
            return bar
        place = place.parent
    return place


def _insert_title(node: LexborNode, title: str) -> None:
    if title:
        new = create_tag("p")
        new.inner_html = f"<strong>{escape(title)}</strong>"
        node.insert_before(new)


def _write_math(content: LexborNode) -> None:
    for selector, mark in _MATH:
        for node in _inner_first(content, selector):
            tex = node.css_first('annotation[encoding="application/x-tex"]')
            text = clean_text(tex) if tex is not None else node.attrs.get("alttext") or ""
            if not text and (found := _TEX.match(clean_text(node))):
                text = found[1]
            if text:
                # As code, nothing in it is taken for Markdown.
                _replace(node, "code", escape(f"{mark}{text}{mark}"))


def _write_code(content: LexborNode) -> None:
    for table in _inner_first(content, _NUMBERED_CODE):
        if (cell := table.css_first(_CODE_CELL)) is not None:
            _replace(table, "pre", _code(cell))
    for pre in _inner_first(content, "pre"):
        if pre.css_first("code[data-written]") is None:
            pre.inner_html = _code(pre)
        for name in list(pre.attrs):
            del pre.attrs[name]
    for code in _inner_first(content, "code[data-written]"):
        del code.attrs["data-written"]


def _code(node: LexborNode) -> str:
    for line in _inner_first(node, _LINES):
        if not line.text().endswith("\n") and not line.css("br"):
            line.insert_child("\n")
    for line_break in _inner_first(node, "br"):
        line_break.replace_with("\n")
    text = "\n".join(line.rstrip() for line in node.text().split("\n")).strip("\n")
    language = _find_language(node)
    named = f' class="language-{escape(language)}"' if language else ""
    return f"<code{named} data-written>{escape(text)}</code>"


def _find_language(node: LexborNode) -> str:
    for place in _around(node):
        name = place.attrs.get("data-lang") or place.attrs.get("data-language") or ""
        classes = place.attrs.get("class") or ""
        if not name and (found := _LANGUAGE.search(classes)):
            name = found[1]
        if not name and "sourceCode" in classes.split():
            name = next((part for part in classes.split() if part != "sourceCode"), "")
        if name:
            name = name.lower()
            return "" if name in _NO_LANGUAGES else name
    return ""


def _around(node: LexborNode) -> Iterator[LexborNode]:
    yield from _unique(node.css("code"))[:1]
    place: LexborNode | None = node
    for _ in range(9):
        if place is None or place.tag in ("body", "html"):
            return
        yield place
        place = place.parent


def _title_boxes(content: LexborNode) -> None:
    for title in _inner_first(content, _TITLES):
        text = clean_text(title)
        if text:
            _replace(title, "p", f"<strong>{escape(text)}</strong>")
        else:
            title.decompose()


def _write_headings(content: LexborNode) -> None:
    for summary in _inner_first(content, "summary"):
        if summary.css_first(_HEADINGS) is not None:
            summary.unwrap()
    for heading in _inner_first(content, _HEADINGS):
        anchor = _find_anchor(heading, content)
        for link in _inner_first(heading, "a"):
            if _WORD.search(clean_text(link)):
                link.unwrap()
            else:
                link.decompose()
        text = clean_text(heading)
        if not _WORD.search(text):
            heading.decompose()
        elif len(text) > _HEADING_LENGTH or _has_above(heading, _NESTING, content):
            _replace(heading, "p", f"<strong>{escape(text)}</strong>")
        else:
            heading.insert_child(f" {_mark(anchor)}")
    # What Sphinx documents of an API has an address of its own, as a section has.
    for signature in _inner_first(content, _SIGNATURE):
        tag = "h6" if _has_above(signature, frozenset({"dd"}), content) else "h5"
        name = clean_text(signature)[:_HEADING_LENGTH]
        _replace(signature, tag, escape(f"{name} {_mark(_id(signature))}"))
    for term in _inner_first(content, "dt"):
        _replace(term, "p", f"<strong>{term.inner_html or ''}</strong>")


def _mark(anchor: str) -> str:
    # Braces would end the mark; in an address their escapes mean the same.
    return f"{{#{_ODD.sub(lambda found: quote(found[0]), anchor)}}}"


def _find_anchor(heading: LexborNode, content: LexborNode) -> str:
    """The id that a link to the heading would use: its own, within it, around or before it."""
    if anchor := _first_id(heading):
        return anchor
    place = heading
    alias = ""
    while place.mem_id != content.mem_id:
        before = _previous(place)
        for _ in range(_ALIASES):
            if before is None or _WORD.search(before.text()):
                break
            alias = alias or _first_id(before)
            before = _previous(before)
        if before is not None:
            # An unclosed paragraph takes in the mark that was meant for the heading after it.
            end = before.last_child
            end = _previous(end) if end is not None and end.is_empty_text_node else end
            if end is not None and not _WORD.search(end.text()):
                alias = alias or _first_id(end)
            break
        parent = place.parent
        if parent is None or parent.mem_id == content.mem_id:
            break
        if parent.tag in ("section", "div", "article") and parent.attrs.get("id"):
            return _id(parent)
        place = parent
    return alias


def _previous(node: LexborNode) -> LexborNode | None:
    before = node.prev
    while before is not None and (before.is_comment_node or before.is_empty_text_node):
        before = before.prev
    return before


def _first_id(node: LexborNode) -> str:
    places = [node, *_unique(node.css("[id], a[name]"))] if node.is_element_node else []
    return next((found for place in places if (found := _id(place))), "")


def _id(node: LexborNode) -> str:
    return node.attrs.get("id") or (node.attrs.get("name") if node.tag == "a" else "") or ""


def _has_above(node: LexborNode, tags: frozenset[str], end: LexborNode) -> bool:
    place = node.parent
    while place is not None and place.mem_id != end.mem_id:
        if place.tag in tags:
            return True
        place = place.parent
    return False


def _write_links(content: LexborNode, url: str) -> None:
    for image in _inner_first(content, "img"):
        image.replace_with(clean_spaces(image.attrs.get("alt") or ""))
    for link in _inner_first(content, "a"):
        target = absolute_url(link.attrs.get("href"), url)
        if not _WORD.search(link.text()):
            link.decompose()
        elif target is None:
            link.unwrap()
        else:
            link.attrs["href"] = target


def absolute_url(target: str | None, base: str) -> str | None:
    """Return where a link leads, None where that is no place on the web."""
    if not target or not target.strip():
        return None
    try:
        found = urljoin(base, target.strip())
        scheme = urlsplit(found).scheme
    except ValueError:
        return None
    return found if scheme in _WEB or (not scheme and not urlsplit(base).scheme) else None
