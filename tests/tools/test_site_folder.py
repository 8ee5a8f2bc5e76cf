"""A built site is read with the addresses that its own links have."""

import os
import re
import threading
from collections.abc import Mapping
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest

from chatkit_tools import (
    Document,
    MarkdownFolder,
    Passages,
    SiteFolder,
    SkippedDocument,
    Source,
    SourceError,
    UnchangedDocument,
    UnreadableDocument,
)
from chatkit_tools.opening import open_source
from chatkit_tools.page_file import MAX_PAGE_BYTES
from chatkit_tools.source import Read
from tests.browser.site import require_build

DOCS = Path(__file__).parents[2] / "web" / "site" / "docs"


def write(folder: Path, pages: Mapping[str, str | bytes]) -> Path:
    for path, html in pages.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(html.encode() if isinstance(html, str) else html)
    return folder


async def read(source: Source, known: Mapping[str, str] | None = None) -> dict[str, Read]:
    return {found.path: found async for found in source.read({} if known is None else known)}


async def urls(folder: Path, base_url: str | None = None) -> dict[str, str]:
    found = await read(SiteFolder(folder, base_url))
    return {path: page.url for path, page in found.items() if isinstance(page, Document)}


def page(title: str, *, head: str = "", links: str = "") -> str:
    return (
        f"<head>{head}</head><nav>{links}</nav><main><h1>{title}</h1><p>About {title}.</p></main>"
    )


def canonical(url: str) -> str:
    return f'<link rel="canonical" href="{url}">'


async def test_pages_of_docusaurus_have_the_addresses_that_they_name(tmp_path: Path) -> None:
    site = write(
        tmp_path,
        {
            "index.html": page("Home", head=canonical("https://a.example/p/")),
            "docs/intro/index.html": page(
                "Intro", head=canonical("https://a.example/p/docs/intro")
            ),
            "docs/guide/index.html": page(
                "Guide", head=canonical("https://a.example/p/docs/guide/")
            ),
            "docs/b.html": page("B", head=canonical("https://a.example/p/docs/b")),
            "docs/größe/index.html": page(
                "C", head=canonical("https://a.example/p/docs/gr%C3%B6%C3%9Fe")
            ),
        },
    )

    below = {
        "index.html": "/",
        "docs/intro/index.html": "/docs/intro",
        "docs/guide/index.html": "/docs/guide/",
        "docs/b.html": "/docs/b",
        "docs/größe/index.html": "/docs/gr%C3%B6%C3%9Fe",
    }
    assert await urls(site) == {path: f"/p{url}" for path, url in below.items()}
    assert await urls(site, "/") == below
    assert await urls(site, "https://b.example/q/") == {
        path: f"https://b.example/q{url}" for path, url in below.items()
    }
    assert (await urls(site / "docs"))["intro/index.html"] == "/p/docs/intro"


async def test_pages_that_name_no_address_have_that_of_their_file(tmp_path: Path) -> None:
    sphinx = write(
        tmp_path / "sphinx",
        {
            "index.html": page(
                "Home", links="<a href=api/index.html>A</a><a href=b%20c.html>B</a>"
            ),
            "api/index.html": page(
                "API", links="<a href=../index.html>H</a><a href=../b%20c.html>B"
            ),
            "b c.html": page("B"),
        },
    )
    clean = write(
        tmp_path / "clean",
        {
            "index.html": page("Home", links="<a href=/guide/start>S</a><a href=/api>A</a>"),
            "guide/start.html": page("Start", links="<a href=/>H</a><a href=/api>A</a>"),
            "api/index.html": page("API"),
        },
    )

    assert await urls(sphinx, "/docs") == {
        "api/index.html": "/docs/api/",
        "b c.html": "/docs/b%20c.html",
        "index.html": "/docs/",
    }
    assert await urls(clean) == {
        "api/index.html": "/api",
        "guide/start.html": "/guide/start",
        "index.html": "/",
    }


async def test_links_in_the_text_lead_where_the_page_is_served(tmp_path: Path) -> None:
    site = write(
        tmp_path,
        {
            "a/index.html": "<main><h1>A</h1><p><a href=../b/#x>B</a> <a href='#y'>here</a></main>",
            "b/index.html": page("B"),
        },
    )

    found = (await read(SiteFolder(site, "https://a.example/docs")))["a/index.html"]

    assert isinstance(found, Document)
    assert found.pieces[0].text == (
        "[B](https://a.example/docs/b/#x) [here](https://a.example/docs/a/#y)"
    )


async def test_versions_and_languages_of_one_build_are_told_apart(tmp_path: Path) -> None:
    def docs(version: str, locale: str) -> str:
        return page(
            "Intro",
            head=f"<meta name=docsearch:version content={version}>"
            f"<meta name=docusaurus_locale content={locale}>",
        )

    site = write(
        tmp_path,
        {
            "docs/intro/index.html": docs("2.0", "en"),
            "docs/1.0/intro/index.html": docs("1.0", "en"),
            "docs/next/intro/index.html": docs("current", "en"),
            "fr/docs/intro/index.html": docs("2.0", "fr"),
        },
    )

    found = await read(SiteFolder(site))
    said = await read(SiteFolder(site, version="3", locale="de"))

    assert {
        (page.url, page.version, page.locale)
        for page in found.values()
        if isinstance(page, Document)
    } == {
        ("/docs/intro/", "2.0", "en"),
        ("/docs/1.0/intro/", "1.0", "en"),
        ("/docs/next/intro/", "current", "en"),
        ("/fr/docs/intro/", "2.0", "fr"),
    }
    assert {
        (page.version, page.locale) for page in said.values() if isinstance(page, Document)
    } == {("3", "de")}


async def test_what_is_no_page_for_search_is_skipped_and_says_why(tmp_path: Path) -> None:
    site = write(
        tmp_path,
        {
            "404.html": page("Not found"),
            "a.html": page("A", head=canonical("https://x.example/a.html")),
            "copy.html": page("A", head=canonical("https://x.example/a.html")),
            "deep.html": "<div>" * 10_000 + "x",
            "empty.html": "",
            "hidden.html": page("H", head="<meta name=robots content=noindex>"),
            "huge.html": b" " * (MAX_PAGE_BYTES + 1),
            "image.html": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            "old.html": "<meta http-equiv=refresh content='0;url=a.html'>",
            "tags/index.html": "<html class='docs-tags-list-page'><main>Tags</main>",
            ".git/x.html": page("x"),
            "_static/x.html": page("x"),
            "node_modules/x/x.html": page("x"),
            "notes.txt": "x",
        },
    )

    found = await read(SiteFolder(site))

    assert {path for path, page in found.items() if isinstance(page, Document)} == {"a.html"}
    reasons = {p: page.reason for p, page in found.items() if isinstance(page, SkippedDocument)}
    assert reasons == {
        "404.html": "is the page for what was not found",
        "copy.html": "says that it is a copy of https://x.example/a.html",
        "deep.html": "nests its elements more than 500 deep",
        "empty.html": "has no text",
        "hidden.html": "asks not to be indexed (robots: noindex)",
        "huge.html": "has 10 MB; the limit is 10 MB",
        "image.html": "is binary, not a web page",
        "old.html": "sends its readers to /a.html",
        "tags/index.html": "lists tags",
    }


async def test_what_cannot_be_read_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    site = write(tmp_path, {"a.html": page("A"), "b/c.html": page("C")})
    (site / "gone.html").symlink_to("nowhere")
    (site / "loop.html").symlink_to("loop.html")
    (site / "b" / "again").symlink_to(site)
    os.mkfifo(site / "pipe.html")

    found = await read(SiteFolder(site))

    assert {path: type(page) for path, page in found.items()} == {
        "a.html": Document,
        "b/c.html": Document,
        "gone.html": UnreadableDocument,
        "loop.html": UnreadableDocument,
        "pipe.html": SkippedDocument,
    }


async def test_a_folder_without_pages_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no page"):
        await read(SiteFolder(tmp_path))
    with pytest.raises(SourceError, match="not a folder"):
        await read(SiteFolder(tmp_path / "missing"))


async def test_a_page_that_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    site = write(
        tmp_path,
        {
            "a/index.html": page("A", head=canonical("https://x.example/a")),
            "b/index.html": page("A", head=canonical("https://x.example/b")),
        },
    )
    first = await read(SiteFolder(site))
    known = {page.url: page.fingerprint for page in first.values() if isinstance(page, Document)}
    write(site, {"b/index.html": page("B", head=canonical("https://x.example/b"))})

    again = await read(SiteFolder(site), known)
    elsewhere = await read(SiteFolder(site, "/docs"), known)

    assert set(known) == {"/a", "/b"}
    assert again["a/index.html"] == UnchangedDocument("a/index.html", "/a")
    assert isinstance(again["b/index.html"], Document)
    assert all(isinstance(page, Document) for page in elsewhere.values())


class Known(dict[str, str]):
    """Tells in which threads it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def items(self) -> Any:
        self.threads.add(threading.get_ident())
        return super().items()


async def test_reading_leaves_the_event_loop_free(tmp_path: Path) -> None:
    site = write(tmp_path, {f"{number}.html": page(str(number)) for number in range(40)})
    source = SiteFolder(site)
    known = Known()

    assert len(await read(source, known)) == 40
    assert known.threads
    assert threading.get_ident() not in known.threads
    assert source.total == 40


def test_a_folder_tells_what_it_is(tmp_path: Path) -> None:
    site = write(tmp_path / "site", {"index.html": page("A"), "index.md": "# A\n"})
    part = write(tmp_path / "part", {"a/index.html": page("A")})
    docs = write(tmp_path / "docs", {"a.md": "# A\n", "demo/index.html": page("A")})

    assert isinstance(open_source(str(site)), SiteFolder)
    assert isinstance(open_source(str(part)), SiteFolder)
    assert isinstance(open_source(str(docs)), MarkdownFolder)


async def test_a_built_site_is_found_by_search(tmp_path: Path, passages: Passages) -> None:
    site = write(
        tmp_path / "site",
        {
            "404.html": page("Nothing here"),
            "guide/index.html": "<h1>Guide</h1><h2 id=fuel>Fuel</h2><p>It is kerosene.",
        },
    )

    summary = await passages.index(SiteFolder(site, "/kb"))
    hits = await passages.search("which kerosene")
    again = await passages.index(SiteFolder(site, "/kb"))

    assert (summary.added, [page.path for page in summary.skipped]) == (1, ["404.html"])
    assert hits[0].url == "/kb/guide/#fuel"
    assert (again.unchanged, again.written) == (1, 0)


def words(document: Document) -> list[str]:
    text = "\n".join(piece.text for piece in document.pieces)
    # What the two write differently: rules below the heads of tables, titles of code blocks.
    text = re.sub(r"^\|[-:| ]+\|$|^```.*$|^\*\*[\w./-]+\*\*$", "", text, flags=re.MULTILINE)
    return re.findall(r"\w+", text)


async def test_our_own_site_and_its_sources_agree() -> None:
    built = await read(SiteFolder(require_build()))
    written = await read(MarkdownFolder(DOCS, "/docs"))
    pages = {page.url: page for page in built.values() if isinstance(page, Document)}
    sources = {page.url: page for page in written.values() if isinstance(page, Document)}

    assert {url for url in pages if url.startswith("/docs/")} == set(sources)
    for url, source in sources.items():
        page = pages[url]
        assert page.title == source.title
        assert (page.version, page.locale) == ("current", "en")
        assert list(dict.fromkeys((piece.anchor, piece.headings) for piece in page.pieces)) == list(
            dict.fromkeys((piece.anchor, piece.headings) for piece in source.pieces)
        )
        same = SequenceMatcher(None, words(page), words(source), autojunk=False).ratio()
        assert same > 0.995, url
