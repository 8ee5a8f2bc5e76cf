"""Index runs over HTTP into the real engine: what is asked for, what is written, what stays."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatkit_tools import Passages
from chatkit_tools.errors import SourceError
from tests.tools.crawl import source
from tests.tools.site import Page, Site, html

PATHS = [f"/p{number}" for number in range(12)]


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[Passages]:
    async with Passages.open(data_dir=tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def docs(site: Site) -> Site:
    site.lists(*PATHS)
    site.pages |= {path: html(f"Lantern {path[1:]}") for path in PATHS}
    return site


def long_page(path: str) -> Page:
    """One with so many sections that a run writes before it has read many of them."""
    sections = "".join(
        f"<h2 id='s{number}'>Section {number}</h2><p>About {path} and {number}: {'word ' * 60}</p>"
        for number in range(40)
    )
    page = html(f"Page {path}", "Intro.")
    assert isinstance(page.body, bytes)
    page.body = page.body.replace(b"</article>", f"{sections}</article>".encode())
    return page


async def find(passages: Passages, query: str) -> set[str]:
    return {hit.url.partition("#")[0] for hit in await passages.search(query)}


async def test_an_edit_costs_one_page_and_the_rest_nothing(docs: Site, empty: Passages) -> None:
    sitemap = source(f"{docs.url}/sitemap.xml")
    first = await empty.index(sitemap)
    assert (first.added, first.unreadable, first.skipped) == (12, (), ())
    docs.forget()

    second = await empty.index(source(docs.url))
    assert (second.unchanged, second.written, second.passages) == (12, 0, first.passages)
    assert docs.statuses.count(304) == 12

    docs.pages["/p3"] = html("Lantern p3", "Wicks are trimmed at dawn.")
    docs.pages["/new"] = html("Lantern new", "Oil is refilled at noon.")
    docs.lists(*PATHS[:-1], "/new")
    docs.forget()
    third = await empty.index(sitemap)

    assert (third.added, third.changed, third.removed, third.unchanged) == (1, 1, 1, 10)
    assert third.written == 2
    assert docs.statuses.count(304) == 10
    assert await find(empty, "wicks at dawn") == {f"{docs.url}/p3"}
    assert await find(empty, "oil at noon") == {f"{docs.url}/new"}
    assert f"{docs.url}/p11" not in await find(empty, "Lantern p11")


async def test_without_validators_nothing_is_written_again(docs: Site, empty: Passages) -> None:
    docs.pages |= {path: html(f"Lantern {path[1:]}", etag=False) for path in PATHS}
    sitemap = source(f"{docs.url}/sitemap.xml")
    await empty.index(sitemap)

    again = await empty.index(sitemap)

    assert (again.unchanged, again.written) == (12, 0)


async def test_a_page_that_fails_stays_and_one_that_is_gone_goes(
    docs: Site, empty: Passages
) -> None:
    sitemap = source(f"{docs.url}/sitemap.xml")
    await empty.index(sitemap)
    docs.pages["/p1"] = Page(status=500)
    docs.pages["/p2"] = Page(status=410)
    docs.pages["/p3"] = Page(breaks=True)

    summary = await empty.index(sitemap)

    assert (summary.unchanged, summary.removed) == (9, 1)
    assert {one.url for one in summary.unreadable} == {f"{docs.url}/p1", f"{docs.url}/p3"}
    assert [one.path for one in summary.skipped] == [f"{docs.url}/p2"]
    found = await find(empty, "Lantern p1 p2 p3")
    assert {f"{docs.url}/p1", f"{docs.url}/p3"} <= found
    assert f"{docs.url}/p2" not in found


async def test_without_its_sitemap_nothing_changes(docs: Site, empty: Passages) -> None:
    sitemap = source(f"{docs.url}/sitemap.xml")
    before = await empty.index(sitemap)
    for answer in (Page(status=404), Page(b"<html></html>"), docs.sitemap()):
        docs.pages["/sitemap.xml"] = answer if isinstance(answer, Page) else Page(answer)

        with pytest.raises(SourceError):
            await empty.index(sitemap)

    assert await empty.count() == before.passages
    assert f"{docs.url}/p1" in await find(empty, "Lantern p1")


async def test_pages_of_a_part_of_the_sitemap_that_is_away_stay(
    docs: Site, empty: Passages
) -> None:
    docs.index("/one.xml", "/two.xml")
    docs.lists(*PATHS[:6], at="/one.xml")
    docs.lists(*PATHS[6:], at="/two.xml")
    sitemap = source(f"{docs.url}/sitemap.xml")
    before = await empty.index(sitemap)
    docs.pages["/two.xml"] = Page(status=503)

    summary = await empty.index(sitemap)

    assert (summary.unchanged, summary.removed, summary.passages) == (6, 0, before.passages)
    assert [one.path for one in summary.unreadable] == [f"{docs.url}/two.xml"]


async def test_a_site_that_is_built_anew_is_downloaded_once(docs: Site, empty: Passages) -> None:
    sitemap = source(f"{docs.url}/sitemap.xml")
    first = await empty.index(sitemap)
    docs.pages |= {
        path: html(f"Lantern {path[1:]}", head='<script src="/assets/main.4f2a.js"></script>')
        for path in PATHS
    }

    second = await empty.index(sitemap)
    docs.forget()
    third = await empty.index(sitemap)

    for summary in (second, third):
        assert (summary.unchanged, summary.written, summary.passages) == (12, 0, first.passages)
    assert docs.statuses.count(304) == 12


async def test_a_run_that_the_site_breaks_off_is_taken_up_again(
    docs: Site, empty: Passages
) -> None:
    sitemap = source(f"{docs.url}/sitemap.xml", concurrency=1, attempts=1)
    await empty.index(sitemap)
    paths = [f"/long{number}" for number in range(30)]
    docs.lists(*paths)
    docs.pages |= {path: long_page(path) for path in paths[:16]}
    docs.pages |= {path: Page(breaks=True) for path in paths[16:]}
    listed = docs.pages["/sitemap.xml"]
    assert isinstance(listed, Page)
    docs.pages["/sitemap.xml"] = [listed, Page(breaks=True), listed]

    with pytest.raises(SourceError, match="stopped answering"):
        await empty.index(sitemap)
    # Readers have what they had.
    assert f"{docs.url}/p1" in await find(empty, "Lantern p1")
    assert not any("/long" in url for url in await find(empty, "About /long3"))

    docs.pages |= {path: long_page(path) for path in paths[16:]}
    docs.forget()
    summary = await empty.index(sitemap)

    assert (summary.added, summary.removed, summary.unreadable) == (30, 12, ())
    assert docs.statuses.count(304) >= 10
    assert any("/long27" in url for url in await find(empty, "About /long27"))
    again = await empty.index(sitemap)
    assert (again.unchanged, again.written, again.passages) == (30, 0, summary.passages)


async def test_a_run_that_is_stopped_is_taken_up_again(docs: Site, empty: Passages) -> None:
    paths = [f"/long{number}" for number in range(20)]
    docs.lists(*paths)
    docs.pages |= {path: long_page(path) for path in paths}
    docs.pages[paths[16]] = Page(hangs=True, seen=(seen := threading.Event()))
    sitemap = source(f"{docs.url}/sitemap.xml", concurrency=1)
    run = asyncio.create_task(empty.index(sitemap))
    await asyncio.to_thread(seen.wait, 120)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert await empty.count() == 0

    docs.pages[paths[16]] = long_page(paths[16])
    docs.forget()
    summary = await empty.index(sitemap)

    assert (summary.added, summary.unreadable) == (20, ())
    assert docs.statuses.count(304) >= 10


async def test_what_is_believed_by_its_date_stays(docs: Site, empty: Passages) -> None:
    docs.lists(*PATHS, lastmod={path: f"2024-05-{day:02}" for day, path in enumerate(PATHS, 1)})
    sitemap = source(f"{docs.url}/sitemap.xml")
    before = await empty.index(sitemap)
    docs.forget()

    again = await empty.index(sitemap)

    assert (again.unchanged, again.removed, again.passages) == (12, 0, before.passages)
    assert len(docs.requests) == 5
