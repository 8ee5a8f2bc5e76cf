"""Finding the pages of a site: sitemaps of all kinds, and where they are published."""

import gzip
import zlib

import pytest

from chatkit_tools.errors import SourceError
from chatkit_tools.sitemap import Sitemap
from chatkit_tools.source import Document, UnchangedDocument, UnreadableDocument
from tests.tools.crawl import read, read_all, reason, source
from tests.tools.site import Page, Site, html, packed


class TestSitemaps:
    async def test_a_site_says_where_its_sitemaps_are(self, site: Site) -> None:
        site.pages |= {
            "/robots.txt": Page(
                f"Sitemap: {site.url}/maps/one.xml\nSitemap: /maps/two.txt\n".encode()
            ),
            "/maps/two.txt": Page(f"\ufeff{site.url}/b\r\n\r\n".encode()),
            "/a": html("A"),
            "/b": html("B"),
        }
        site.lists("/a", at="/maps/one.xml")

        found = await read_all(source(site.url))

        assert {one.path for one in found} == {f"{site.url}/a", f"{site.url}/b"}

    async def test_of_a_site_with_a_path_what_lies_below_is_read(self, site: Site) -> None:
        site.lists("/project/docs", "/project/docs/a", "/other/b", at="/project/sitemap.xml")
        site.pages |= {"/project/docs/a": html("A"), "/project/docs": html("Docs")}
        site.pages["/robots.txt"] = Page(f"Sitemap: {site.url}/project/sitemap.xml".encode())

        found = await read_all(source(f"{site.url}/project/docs"))

        documents = {one.url for one in found if isinstance(one, Document)}
        assert documents == {f"{site.url}/project/docs", f"{site.url}/project/docs/a"}
        assert not site.asked("/other/b")

    async def test_a_sitemap_beside_or_above_is_found(self, site: Site) -> None:
        site.lists("/project/a")
        site.pages["/project/a"] = html("A")

        found = await read_all(source(f"{site.url}/project/"))

        assert [type(one) for one in found] == [Document]

    async def test_an_index_is_followed_through_loops_and_gzip(self, site: Site) -> None:
        site.index("/one.xml.gz", "/sitemap.xml", "/deep.xml", "https://other.example/map.xml")
        site.index("/deep.xml", "/sitemap.xml", "/two.xml", at="/deep.xml")
        site.pages |= {
            "/one.xml.gz": Page(gzip.compress(site.sitemap("/a"))),
            "/two.xml": packed(Page(site.sitemap("/b"))),
            "/a": html("A"),
            "/b": packed(html("B")),
        }

        found = await read(site)

        assert isinstance(found["/a"], Document)
        assert isinstance(found["/b"], Document)
        assert "another site" in reason(found["https://other.example/map.xml"])
        assert len(site.asked("/deep.xml")) == 1

    async def test_an_index_that_never_ends_has_an_end(self, site: Site) -> None:
        site.index("/1.xml", "/pages.xml")
        site.lists("/a", at="/pages.xml")
        for number in range(1, 50):
            site.index(f"/{number + 1}.xml", at=f"/{number}.xml")
        site.pages["/a"] = html("A")

        found = await read(site)

        assert isinstance(found["/a"], Document)
        assert "levels down" in reason(found["/4.xml"])
        assert not site.asked("/4.xml")

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b"", "is empty"),
            (b"<!doctype html><html></html>", "HTML"),
            (b"<html><body>Not found</body></html>", "<html>"),
            (b"<rss><channel/></rss>", "<rss>"),
            (b"<urlset><url><loc>http://a/</loc>", "broken in line 1"),
            (b"\x89PNG\r\n\x1a\n", "neither XML nor text"),
            (b"hello there", "hello there"),
            (b"\x1f\x8b\x08\x00broken", "gzip"),
            (gzip.compress(b"<urlset/>", mtime=0)[:-12], "too early"),
            (b"<urlset></urlset>", "lists no page"),
            (
                b"<!DOCTYPE urlset [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;'>]>"
                b"<urlset><url><loc>&b;</loc></url></urlset>",
                "document type",
            ),
            (
                b"<!DOCTYPE urlset [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"
                b"<urlset><url><loc>&a;</loc></url></urlset>",
                "document type",
            ),
        ],
    )
    async def test_what_is_no_sitemap_is_named(self, site: Site, body: bytes, said: str) -> None:
        site.pages["/sitemap.xml"] = Page(body)

        with pytest.raises(SourceError, match=said):
            await read(site)

    @pytest.mark.parametrize("status", [403, 404, 500])
    async def test_a_sitemap_that_is_not_there_is_an_error(self, site: Site, status: int) -> None:
        site.pages["/sitemap.xml"] = Page(status=status)

        with pytest.raises(SourceError, match=rf"sitemap\.xml: .*{status}"):
            await read(site)
        with pytest.raises(SourceError, match=rf"names no sitemap.*sitemap\.xml: .*{status}"):
            await read_all(source(site.url))

    async def test_a_sitemap_that_unpacks_without_end_is_refused(self, site: Site) -> None:
        bomb = zlib.compressobj(wbits=31)
        zeros = b"0" * 1_000_000
        body = b"".join([*(bomb.compress(zeros) for _ in range(60)), bomb.flush()])
        assert len(body) < 100_000

        site.pages["/sitemap.xml"] = Page(body, headers={"Content-Encoding": "gzip"})
        with pytest.raises(SourceError, match="bigger than 52"):
            await read(site)

        site.pages["/sitemap.xml"] = Page(body)
        with pytest.raises(SourceError, match="bigger than 52"):
            await read(site)

    async def test_a_sitemap_of_the_index_that_cannot_be_read_is_named(self, site: Site) -> None:
        site.index("/one.xml", "/two.xml")
        site.lists("/a", at="/one.xml")
        site.lists("/b", at="/two.xml")
        site.pages |= {"/a": html("A"), "/b": html("B")}
        for broken in (Page(status=503), Page(status=404), Page(b"<html></html>")):
            site.pages["/two.xml"] = broken
            found = await read(site)

            # Without an address, so that an index run keeps what it does not find.
            two = found["/two.xml"]
            assert isinstance(two, UnreadableDocument)
            assert not two.url
            assert isinstance(found["/a"], Document)

    @pytest.mark.parametrize(
        "url", ["ftp://docs.example.org/", "docs.example.org", "file:///etc/passwd", "http://["]
    )
    def test_other_addresses_are_refused(self, url: str) -> None:
        with pytest.raises(SourceError, match="starts with http"):
            Sitemap(url)

    def test_a_password_in_the_address_is_refused_without_saying_it(self) -> None:
        with pytest.raises(SourceError, match="Authorization") as caught:
            Sitemap("https://ada:s3cret@docs.example.org/sitemap.xml")

        assert "s3cret" not in str(caught.value)


class TestBaseUrl:
    async def test_a_preview_is_read_for_the_site_that_it_will_be(self, site: Site) -> None:
        site.lists("https://docs.example.org/a", "http://docs.example.org/b?x=1", "/c")
        site.pages |= {path: html(path) for path in ("/a", "/b?x=1", "/c")}
        page = site.pages["/a"]
        assert isinstance(page, Page)
        page.headers["X-Robots-Tag"] = "noindex"
        sitemap = source(f"{site.url}/sitemap.xml", base_url="https://docs.example.org")

        first = await read_all(sitemap)

        addresses = {f"https://docs.example.org{path}" for path in ("/a", "/b?x=1", "/c")}
        documents = [one for one in first if isinstance(one, Document)]
        assert {one.url for one in documents} == addresses
        assert sitemap.name == "https://docs.example.org/"
        again = await read_all(sitemap, {one.url: one.fingerprint for one in documents})
        assert set(again) == {UnchangedDocument(url, url) for url in addresses}

    async def test_a_site_below_a_path(self, site: Site) -> None:
        site.lists("https://example.org/docs/a", "https://example.org/blog/b")
        site.pages["/a"] = html("A")

        found = await read_all(
            source(f"{site.url}/sitemap.xml", base_url="https://example.org/docs")
        )

        assert [one.url for one in found if isinstance(one, Document)] == [
            "https://example.org/docs/a"
        ]

    async def test_addresses_may_be_kept_without_a_host(self, site: Site) -> None:
        site.lists("/a", "/sub/b")
        site.pages |= {"/a": html("A"), "/sub/b": html("B")}
        sitemap = source(f"{site.url}/sitemap.xml", base_url="/")

        first = await read_all(sitemap)

        documents = [one for one in first if isinstance(one, Document)]
        assert {one.url for one in documents} == {"/a", "/sub/b"}
        again = await read_all(sitemap, {one.url: one.fingerprint for one in documents})
        assert {type(one) for one in again} == {UnchangedDocument}

    async def test_a_sitemap_of_another_origin_is_explained(self, site: Site) -> None:
        site.lists("https://docs.example.org/a")

        with pytest.raises(SourceError, match=r"outside http://127.*/docs\.example\.org.*base URL"):
            await read(site)
