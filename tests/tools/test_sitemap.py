"""A site as a source: which of its pages are read, and which are asked for again."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from chatkit_tools.source import Document, SkippedDocument, UnchangedDocument, UnreadableDocument
from chatkit_tools.website import VERSION
from tests.tools.crawl import fingerprints, read, read_all, reason, source
from tests.tools.site import Page, Site, html


async def test_pages_of_the_sitemap_become_documents(site: Site) -> None:
    site.lists("/docs/flags", "/docs/rollouts")
    site.pages |= {"/docs/flags": html("Flags"), "/docs/rollouts": html("Rollouts")}

    sitemap = source(f"{site.url}/sitemap.xml")
    assert sitemap.total is None
    found = await read_all(sitemap)

    documents = {one.url: one for one in found if isinstance(one, Document)}
    assert {url: one.title for url, one in documents.items()} == {
        f"{site.url}/docs/flags": "Flags",
        f"{site.url}/docs/rollouts": "Rollouts",
    }
    assert documents[f"{site.url}/docs/flags"].pieces[0].text.startswith("All about Flags")
    assert sitemap.total == len(found) == 2
    assert sitemap.name == source(site.url).name == f"{site.url}/"
    assert source(f"{site.url}/blog.xml").name == f"{site.url}/blog.xml"
    agents = {request.headers["User-Agent"] for request in site.requests}
    assert [agent.split("/")[0] for agent in agents] == ["chatkit-server"]


class TestFreshness:
    async def test_an_unchanged_page_is_not_sent_again(self, site: Site) -> None:
        site.lists("/a", "/b")
        site.pages |= {"/a": html("A"), "/b": html("B")}
        first = await read(site)
        site.pages["/b"] = html("B", "Rewritten.")
        site.forget()

        second = await read(site, fingerprints(first))

        assert second["/a"] == UnchangedDocument(f"{site.url}/a", f"{site.url}/a")
        assert isinstance(second["/b"], Document)
        assert "Rewritten." in second["/b"].pieces[0].text
        assert site.statuses.count(304) == 1
        assert all(site.asked(path)[0].is_conditional for path in ("/a", "/b"))

    async def test_a_date_serves_where_there_is_no_etag(self, site: Site) -> None:
        page = html("A", etag=False)
        page.headers["Last-Modified"] = "Wed, 01 May 2024 10:00:00 GMT"
        site.lists("/a")
        site.pages["/a"] = page
        first = await read(site)

        site.pages["/a"] = Page(status=304)
        second = await read(site, fingerprints(first))

        assert isinstance(second["/a"], UnchangedDocument)
        sent = site.asked("/a")[1].headers
        assert sent["If-Modified-Since"] == "Wed, 01 May 2024 10:00:00 GMT"

    async def test_without_validators_a_page_has_the_same_fingerprint_again(
        self, site: Site
    ) -> None:
        site.lists("/a")
        site.pages["/a"] = html("A", etag=False)
        first = await read(site)

        second = await read(site, fingerprints(first))

        assert first == second
        assert isinstance(first["/a"], Document)

    async def test_a_304_that_nobody_asked_for_is_no_page(self, site: Site) -> None:
        site.lists("/a")
        site.pages["/a"] = Page(status=304)

        assert "304" in reason((await read(site))["/a"])

    async def test_a_fingerprint_of_another_source_is_no_obstacle(self, site: Site) -> None:
        site.lists("/a", "/b", "/c", "/d")
        site.pages |= {path: html(path) for path in ("/a", "/b", "/c", "/d")}
        known = {
            f"{site.url}/a": "d41d8cd98f00b204",
            f"{site.url}/b": '{"etag": ["x"], "else": 1}',
            f"{site.url}/c": "[1, 2]",
            f"{site.url}/d": "",
        }

        found = await read(site, known)

        assert all(isinstance(one, Document) for one in found.values())

    async def test_all_pages_may_be_of_one_version_and_language(self, site: Site) -> None:
        site.lists("/a")
        site.pages["/a"] = html("A")
        first = await read(site)

        second = (await read(site, fingerprints(first), version="2.0", locale="de"))["/a"]

        assert isinstance(first["/a"], Document)
        assert (first["/a"].version, first["/a"].locale) == ("", "en")
        # Although the page itself is the same.
        assert isinstance(second, Document)
        assert (second.version, second.locale) == ("2.0", "de")

    async def test_what_another_version_read_is_read_again(self, site: Site) -> None:
        site.lists("/a")
        site.pages["/a"] = html("A")
        first = fingerprints(await read(site))
        assert VERSION in first[f"{site.url}/a"]
        other = {url: text.replace(VERSION, "0.0.0") for url, text in first.items()}

        assert isinstance((await read(site, other))["/a"], Document)
        assert isinstance((await read(site, first))["/a"], UnchangedDocument)

    async def test_a_validator_that_cannot_be_sent_back_is_not_kept(self, site: Site) -> None:
        site.lists("/a")
        page = html("A", etag=False)
        page.headers["ETag"] = '"caf\xe9"'
        site.pages["/a"] = page
        first = await read(site)

        assert isinstance((await read(site, fingerprints(first)))["/a"], Document)


DATES = {f"/p{number}": f"2024-05-{number + 1:02}" for number in range(12)}


class TestLastmod:
    @pytest.fixture
    def dated(self, site: Site) -> Site:
        site.lists(*DATES, lastmod=DATES)
        for path in DATES:
            site.pages[path] = html(path)
        return site

    async def test_pages_of_the_same_date_are_not_asked_for_but_for_a_sample(
        self, dated: Site
    ) -> None:
        first = await read(dated)
        dated.forget()

        second = await read(dated, fingerprints(first))

        assert {type(one) for one in second.values()} == {UnchangedDocument}
        assert len(second) == 12
        assert dated.statuses.count(304) == 3

    async def test_a_page_with_a_newer_date_is_asked_for(self, dated: Site) -> None:
        first = await read(dated)
        dated.pages["/p4"] = html("/p4", "Rewritten.")
        dated.lists(*DATES, lastmod={**DATES, "/p4": "2024-06-01"})
        dated.forget()

        second = await read(dated, fingerprints(first))

        assert isinstance(second["/p4"], Document)
        assert sum(isinstance(one, UnchangedDocument) for one in second.values()) == 11
        assert len(dated.asked("/p4")) == 1

    async def test_dates_that_were_not_kept_up_are_believed_no_more(self, dated: Site) -> None:
        first = await read(dated)
        for path in DATES:
            dated.pages[path] = html(path, "Rewritten.")

        second = await read(dated, fingerprints(first))

        assert {type(one) for one in second.values()} == {Document}

    @pytest.mark.parametrize(
        "date",
        ["2024-05-01", (datetime.now(UTC) + timedelta(days=40)).isoformat()],
        # The same in every process that the tests run in.
        ids=["of-a-build", "in-the-future"],
    )
    async def test_dates_that_say_nothing_are_not_believed(self, site: Site, date: str) -> None:
        dates = dict.fromkeys(DATES, date) if date < "2025" else {**DATES, "/p0": date}
        site.lists(*DATES, lastmod=dates)
        site.pages |= {path: html(path) for path in DATES}
        first = await read(site)
        site.forget()

        await read(site, fingerprints(first))

        assert site.statuses.count(304) == 12

    async def test_a_date_does_not_stand_above_robots_txt(self, dated: Site) -> None:
        first = await read(dated)
        dated.pages["/robots.txt"] = Page(b"User-agent: *\nDisallow: /p1")

        second = await read(dated, fingerprints(first))

        skipped = {path for path, one in second.items() if isinstance(one, SkippedDocument)}
        assert skipped == {"/p1", "/p10", "/p11"}

    async def test_a_page_that_was_read_on_the_day_of_its_date_is_asked_for(
        self, dated: Site
    ) -> None:
        today = datetime.now(UTC).date().isoformat()
        dated.lists(*DATES, lastmod={**DATES, "/p4": today})
        first = await read(dated)
        dated.forget()

        await read(dated, fingerprints(first))

        assert len(dated.asked("/p4")) == 1

    async def test_pages_without_validators_are_not_loaded_again(self, dated: Site) -> None:
        for path in DATES:
            dated.pages[path] = html(path, etag=False)
        first = await read(dated)
        dated.forget()

        second = await read(dated, fingerprints(first))

        assert sum(isinstance(one, UnchangedDocument) for one in second.values()) == 9
        assert len(dated.requests) == 3 + 2  # the sample, robots.txt and the sitemap


class TestWhichPages:
    async def test_pages_of_other_sites_are_left_out(self, site: Site) -> None:
        with_password = site.url.replace("://", "://ada:s3cret@") + "/e"
        site.lists(
            "/a",
            "https://elsewhere.example/b",
            "ftp://127.0.0.1/c",
            "http://[broken/d",
            with_password,
        )
        site.pages["/a"] = html("A")

        found = await read(site)

        assert isinstance(found["/a"], Document)
        assert reason(found["/sitemap.xml"]) == (
            f"lists 4 addresses outside {site.url}/, such as https://elsewhere.example/b"
        )

    async def test_redirects_are_followed_on_the_site_only(self, site: Site) -> None:
        with Site.run() as other:
            other.pages["/x"] = html("Other")
            to = {
                "/moved": "/new-place",
                "/slash": "/slash/",
                "/away": f"{other.url}/x",
                "/file": "file:///etc/passwd",
                "/broken": "http://[",
                "/broken-too": "http:x",
                "/circle": "/circle2",
                "/circle2": "/circle",
                "/to-listed": "/listed",
                "/moved-too": "/new-place",
            }
            site.lists(*(path for path in to if path != "/circle2"), "/listed")
            for path, target in to.items():
                site.pages[path] = Page(status=302, headers={"Location": target})
            site.pages |= {
                "/new-place": html("New"),
                "/slash/": html("Slash"),
                "/listed": html("Listed"),
            }

            found = await read(site, concurrency=1)

            assert not other.requests
        documents = {path for path, one in found.items() if isinstance(one, Document)}
        assert documents == {"/new-place", "/slash/", "/listed"}
        assert f"redirects to {other.url}/x, outside" in reason(found["/away"])
        assert "no web address" in reason(found["/file"])
        assert "no web address" in reason(found["/broken"])
        assert "no web address" in reason(found["/broken-too"])
        assert "in a circle" in reason(found["/circle"])
        assert "read by itself" in reason(found["/to-listed"])
        assert "read by itself" in reason(found["/moved-too"])

    async def test_a_chain_of_redirects_ends(self, site: Site) -> None:
        site.lists("/0")
        for number in range(30):
            site.pages[f"/{number}"] = Page(status=307, headers={"Location": f"/{number + 1}"})

        assert "more than 10 times" in reason((await read(site))["/0"])

    async def test_what_is_behind_a_redirect_is_asked_for_conditionally_too(
        self, site: Site
    ) -> None:
        site.lists("/docs", "/old")
        site.pages |= {
            "/docs": Page(status=301, headers={"Location": "/docs/"}),
            "/docs/": html("Docs"),
            "/old": Page(status=301, headers={"Location": "/new"}),
            "/new": html("New"),
        }
        first = await read(site)

        second = await read(site, fingerprints(first))
        assert {type(one) for one in second.values()} == {UnchangedDocument}
        assert set(second) == {"/docs/", "/new"}

        # What is stored of it stays although nobody can say now where it would have led.
        site.pages["/old"] = Page(status=500)
        third = (await read(site, fingerprints(first)))["/old"]
        assert isinstance(third, UnreadableDocument)
        assert third.url == f"{site.url}/new"

    async def test_robots_tags_and_canonical_addresses_count(self, site: Site) -> None:
        hidden = html("Hidden")
        hidden.headers["X-Robots-Tag"] = "googlebot: nofollow, index, otherbot: noindex"
        shown = html("Shown")
        shown.headers["X-Robots-Tag"] = "noindex, nofollow"
        canonical = '<link rel="canonical" href="{}">'
        site.lists("/hidden", "/shown", "/meta", "/1.0/a", "/a", "/b", "/c")
        site.pages |= {
            "/hidden": hidden,
            "/shown": shown,
            "/meta": html("Meta", head='<meta name="robots" content="noindex, follow">'),
            "/1.0/a": html("A", head=canonical.format(f"{site.url}/a")),
            "/a": html("A", head=canonical.format("/a")),
            "/b": html("B", head=canonical.format("https://b.example/b")),
            "/c": html(
                "C", "See <a href='#there'>there</a>.", head=canonical.format(f"{site.url}/c/")
            ),
        }

        found = await read(site)

        assert isinstance(found["/hidden"], Document)
        assert "X-Robots-Tag" in reason(found["/shown"])
        assert "noindex" in reason(found["/meta"])
        assert reason(found["/1.0/a"]) == f"is a duplicate of {site.url}/a"
        assert isinstance(found["/a"], Document)
        # A canonical address that nobody reads must not cost the page.
        assert isinstance(found["/b"], Document)
        third = found["/c/"]
        assert isinstance(third, Document)
        assert f"[there]({site.url}/c/#there)" in third.pieces[0].text

    async def test_of_pages_that_name_each_other_as_the_original_one_is_kept(
        self, site: Site
    ) -> None:
        canonical = '<link rel="canonical" href="{}">'
        site.lists("/a", "/b", "/c", "/gone", "/d", "/fails")
        site.pages |= {
            "/a": html("A", head=canonical.format(f"{site.url}/b")),
            "/b": html("B", head=canonical.format(f"{site.url}/a")),
            "/c": html("C", head=canonical.format(f"{site.url}/gone")),
            "/d": html("D", head=canonical.format(f"{site.url}/fails")),
            "/fails": Page(status=500),
        }

        found = await read(site)

        assert isinstance(found["/a"], Document)
        assert reason(found["/b"]) == f"is a duplicate of {site.url}/a"
        assert isinstance(found["/c"], Document)
        # What is stored of the original stays, so the page is still a duplicate of it.
        assert reason(found["/d"]) == f"is a duplicate of {site.url}/fails"

    async def test_which_one_is_kept_does_not_depend_on_which_is_answered_first(
        self, site: Site
    ) -> None:
        canonical = '<link rel="canonical" href="{}">'
        site.lists("/a", "/b", "/c")
        first = html("A", head=canonical.format(f"{site.url}/b"))
        # Of two at a time, the third is asked for when the second has been read.
        third = html("C")
        third.seen = seen = threading.Event()

        def late() -> Iterator[bytes]:
            seen.wait(120)
            assert isinstance(first.body, bytes)
            yield first.body

        site.pages |= {
            "/a": [Page(late(), headers=first.headers), first],
            "/b": html("B", head=canonical.format(f"{site.url}/a")),
            "/c": third,
        }

        found = await read(site, concurrency=2)

        assert isinstance(found["/a"], Document)
        assert reason(found["/b"]) == f"is a duplicate of {site.url}/a"

    async def test_one_page_under_several_addresses_is_read_once(self, site: Site) -> None:
        site.lists("/a", "/a/", "/a#part", "/a/index.html", "/a?tab=x")
        site.pages |= {"/a": html("A"), "/a?tab=x": html("A with a tab")}

        await read(site, concurrency=1)

        assert [one.path for one in site.requests][2:] == ["/a", "/a?tab=x"]

    async def test_patterns_say_what_is_asked_for(self, site: Site) -> None:
        site.lists("/docs/a", "/docs/old/b", "/blog/c", "/docs/moved")
        site.pages |= {
            "/docs/a": html("A"),
            "/docs/moved": Page(status=301, headers={"Location": "/blog/d"}),
        }

        found = await read(site, include=["/docs/*"], exclude=["*/old/*"])

        assert isinstance(found["/docs/a"], Document)
        assert reason(found["/sitemap.xml"]) == "lists 2 pages that the patterns leave out"
        assert "the patterns leave out" in reason(found["/docs/moved"])
        assert not site.asked("/docs/old/b")
        assert not site.asked("/blog/d")

    async def test_there_is_a_limit_to_the_pages(self, site: Site) -> None:
        site.lists(*(f"/calendar?day={day}" for day in range(500)))
        site.pages |= {f"/calendar?day={day}": html("Day") for day in range(5)}

        found = await read(site, max_pages=5)

        assert sum(isinstance(one, Document) for one in found.values()) == 5
        assert reason(found["/sitemap.xml"]) == "lists more than 5 pages; the rest was left out"


async def test_a_reader_that_stops_leaves_nothing_behind(site: Site) -> None:
    paths = [f"/p{number}" for number in range(50)]
    site.lists(*paths)
    site.pages |= {path: html(path) for path in paths}

    async with aclosing(source(f"{site.url}/sitemap.xml").read({})) as reading:
        await anext(reading)

    assert len(asyncio.all_tasks()) == 1
    assert len(site.requests) < 20
