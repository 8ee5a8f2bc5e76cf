"""Speaking to a site: politely, and whatever it answers."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from chatkit_tools.errors import SourceError
from chatkit_tools.sitemap import Sitemap
from chatkit_tools.source import Document, SkippedDocument, UnreadableDocument
from tests.tools.clock import Clock
from tests.tools.crawl import read, read_all, reason, source
from tests.tools.site import Page, Site, html


class TestPoliteness:
    async def test_no_more_than_so_many_requests_at_once(self, site: Site) -> None:
        paths = [f"/p{number}" for number in range(12)]
        site.lists(*paths)
        site.pages |= {path: html(path) for path in paths}
        # Each answer waits for two others, so that three are there together, and never more.
        site.gate = threading.Barrier(3, timeout=120)

        found = await read(site, concurrency=3)

        assert all(isinstance(one, Document) for one in found.values())
        assert site.most_at_once == 3

    async def test_robots_txt_is_obeyed(self, site: Site) -> None:
        site.lists("/docs/a", "/internal/b", "/old")
        site.pages |= {
            "/docs/a": html("A"),
            "/internal/b": html("B"),
            "/old": Page(status=301, headers={"Location": "/internal/c"}),
            "/robots.txt": Page(
                b"User-agent: *\nDisallow: /\n\n"
                b"User-agent: chatkit-server\nDisallow: /internal/\nCrawl-delay: 0.05\n"
            ),
        }

        found = await read(site)

        assert isinstance(found["/docs/a"], Document)
        assert reason(found["/internal/b"]) == "robots.txt disallows it"
        assert "robots.txt disallows" in reason(found["/old"])
        assert not site.asked("/internal/b")
        assert not site.asked("/internal/c")

    async def test_the_crawl_delay_lies_between_requests(self, site: Site) -> None:
        paths = [f"/p{number}" for number in range(4)]
        site.lists(*paths)
        site.pages |= {path: html(path) for path in paths}
        site.pages["/robots.txt"] = Page(b"User-agent: *\nCrawl-delay: 0.1\n")

        await read(site)

        times = [request.at for request in site.requests][1:]
        assert times[-1] - times[0] > 0.1 * (len(times) - 2)

    @pytest.mark.parametrize("status", [401, 403, 404, 410])
    async def test_without_a_robots_txt_everything_is_read(self, site: Site, status: int) -> None:
        site.lists("/a")
        site.pages |= {"/a": html("A"), "/robots.txt": Page(status=status)}

        assert isinstance((await read(site))["/a"], Document)

    async def test_a_crawl_delay_of_an_hour_is_too_long(self, site: Site) -> None:
        site.lists("/a")
        site.pages["/robots.txt"] = Page(b"User-agent: *\nRequest-rate: 1/60m")

        with pytest.raises(SourceError, match="3,600 s between"):
            await read(site)

    async def test_while_robots_txt_cannot_be_had_nothing_is_read(self, site: Site) -> None:
        site.lists("/a")
        site.pages |= {"/a": html("A"), "/robots.txt": Page(status=503)}

        with pytest.raises(SourceError, match=r"robots\.txt can't be read.*503"):
            await read(site)

        assert not site.asked("/a")

    async def test_a_site_that_asks_to_wait_is_given_the_time(self, site: Site) -> None:
        site.lists("/a", "/b")
        site.pages |= {
            "/a": [Page(status=429, headers={"Retry-After": "1"}), html("A")],
            "/b": [Page(status=503), Page(status=503), html("B")],
        }

        found = await read(site, concurrency=1)

        assert all(isinstance(one, Document) for one in found.values())
        first, second = site.asked("/a")
        assert second.at - first.at >= 1.0
        assert len(site.asked("/b")) == 3

    @pytest.mark.parametrize("form", ["seconds", "date"])
    async def test_a_site_that_asks_to_wait_for_an_hour_is_left_alone(
        self, site: Site, form: str
    ) -> None:
        when = "3600"
        if form == "date":
            when = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
        paths = [f"/p{number}" for number in range(9)]
        site.lists(*paths)
        site.pages |= {path: Page(status=429, headers={"Retry-After": when}) for path in paths}

        with pytest.raises(SourceError, match=r"429 .*run it again"):
            await read(site, concurrency=1)

        assert len(site.requests) == 3

    async def test_headers_are_sent_and_not_said(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("DEBUG")
        site.lists("/a", "/gone")
        site.pages["/a"] = html("A")

        found = await read(site, headers={"Authorization": "Bearer s3cret"})

        assert {request.headers["Authorization"] for request in site.requests} == {"Bearer s3cret"}
        assert "s3cret" not in f"{found} {caplog.text}"

    @pytest.mark.parametrize(
        "headers", [{"X-A": "s3cret\r\nX: y"}, {"X A: s3cret": "b"}, {"X-A": "s3cr\u00e9t"}]
    )
    def test_a_header_that_is_none_is_refused(self, headers: dict[str, str]) -> None:
        with pytest.raises(SourceError, match="header") as caught:
            Sitemap("https://docs.example.org/sitemap.xml", headers=headers)

        assert "s3cr" not in str(caught.value)


class TestBadPages:
    async def test_each_is_named_and_the_others_are_read(self, site: Site) -> None:
        bad = {
            "/gone": Page(status=404),
            "/gone-too": Page(status=410),
            "/login": Page(status=401),
            "/error": Page(status=500),
            "/breaks": Page(breaks=True),
            "/picture": Page(b"\x89PNG", headers={"Content-Type": "image/png"}),
            "/empty": Page(b"", headers={"Content-Type": "text/html"}),
            "/brotli": Page(b"x", headers={"Content-Encoding": "br"}),
            "/gzip": Page(b"x", headers={"Content-Encoding": "gzip"}),
            "/nowhere": Page(status=301),
        }
        site.lists(*bad, "/fine")
        site.pages |= {**bad, "/fine": html("Fine")}

        found = await read(site)

        assert isinstance(found["/fine"], Document)
        skipped = {path for path, one in found.items() if isinstance(one, SkippedDocument)}
        assert skipped == {"/gone", "/gone-too", "/picture", "/empty"}
        unreadable = {path for path, one in found.items() if isinstance(one, UnreadableDocument)}
        assert unreadable == {"/login", "/error", "/breaks", "/brotli", "/gzip", "/nowhere"}
        assert "404" in reason(found["/gone"])
        assert "image/png" in reason(found["/picture"])
        assert len(site.asked("/error")) == 4
        assert len(site.asked("/login")) == 1

    async def test_an_encoding_that_is_declared_is_used(self, site: Site) -> None:
        site.lists("/a")
        body = "<html><body><main><h1>\u0422\u0435\u0441\u0442</h1><p>\u042f</p></main>"
        site.pages["/a"] = Page(
            body.encode("windows-1251"), headers={"Content-Type": "text/html; charset=Windows-1251"}
        )

        document = (await read(site))["/a"]

        assert isinstance(document, Document)
        assert document.title == "\u0422\u0435\u0441\u0442"

    async def test_a_page_of_50_mb_is_not_read_to_its_end(self, site: Site) -> None:
        site.lists("/huge", "/announced", "/fine")
        part = b"<p>again and again</p>" * 5_000
        kind = {"Content-Type": "text/html"}

        def huge() -> Iterator[bytes]:
            yield from (part for _ in range(120))
            # However much is on its way, it is not to be waited for.
            site.ends.wait()

        site.pages |= {
            "/huge": Page(huge(), headers=kind),
            "/announced": Page(part * 500, headers=kind),
            "/fine": html("Fine"),
        }

        found = await read(site, concurrency=1)

        assert reason(found["/huge"]) == "is bigger than 10 MB"
        assert reason(found["/announced"]) == "is bigger than 10 MB"
        assert isinstance(found["/fine"], Document)
        assert site.sent < 30_000_000

    async def test_a_page_that_hangs_costs_its_time_and_no_more(
        self, site: Site, clock: Clock
    ) -> None:
        def drip() -> Iterator[bytes]:
            # In all longer than the patience, and never as long as a part may take.
            for _ in range(4):
                yield b"."
                clock.forward(3.0)
            site.ends.wait()

        async def let_time_pass() -> None:
            for page in hanging:
                assert page.seen
                await asyncio.to_thread(page.seen.wait, 120)
                clock.forward(11.0)

        hanging = [Page(hangs=True, seen=threading.Event()) for _ in range(2)]
        site.lists("/hangs", "/drips", "/fine")
        site.pages |= {
            "/hangs": [*hanging],
            "/drips": [Page(drip(), headers={"Content-Type": "text/html"}) for _ in range(2)],
            "/fine": html("Fine"),
        }

        # Page by page, so that no time passes for another one.
        reading = read(site, concurrency=1, patience=10.0, attempts=2, backoff=0.0)
        found, _ = await asyncio.gather(reading, let_time_pass())

        assert isinstance(found["/fine"], Document)
        for path in ("/hangs", "/drips"):
            assert isinstance(found[path], UnreadableDocument)
            assert reason(found[path]) == "no whole answer in time"
            assert len(site.asked(path)) == 2

    async def test_a_site_that_goes_away_ends_the_run(self, site: Site) -> None:
        paths = [f"/p{number}" for number in range(100)]
        site.lists(*paths)
        sitemap = site.pages["/sitemap.xml"]
        assert isinstance(sitemap, Page)
        site.pages["/sitemap.xml"] = [sitemap, Page(status=503)]
        site.pages |= {path: Page(status=503) for path in paths}

        with pytest.raises(SourceError, match=r"stopped answering .*503.*goes on"):
            # One at a time: others would go on while the sitemap is asked for again.
            await read(site, attempts=1, concurrency=1)

        assert len(site.requests) < 25

    async def test_pages_that_fail_in_a_row_do_not_end_the_run_of_a_site_that_is_there(
        self, site: Site
    ) -> None:
        paths = [f"/p{number}" for number in range(30)]
        site.lists(*paths, "/fine")
        site.pages |= {path: Page(status=502) for path in paths}
        site.pages["/fine"] = html("Fine")

        found = await read(site, attempts=1)

        assert isinstance(found["/fine"], Document)
        assert sum(isinstance(one, UnreadableDocument) for one in found.values()) == 30

    async def test_nobody_there_is_one_clear_error(self) -> None:
        with pytest.raises(SourceError, match=r"robots\.txt can't be read"):
            await read_all(source("http://127.0.0.1:1"))

    async def test_a_certificate_that_is_not_accepted_is_said(
        self, self_signed: ssl.SSLContext
    ) -> None:
        with (
            Site.run(self_signed) as site,
            pytest.raises(SourceError, match="certificate is not accepted"),
        ):
            await read_all(source(f"{site.url}/sitemap.xml", attempts=50, backoff=10))


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
