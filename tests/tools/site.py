"""A small website whose every answer is the test's to say."""

import gzip
import hashlib
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass
class Page:
    """One answer; a body in parts is sent without its length. `hangs` waits for the site's end."""

    body: bytes | Iterable[bytes] = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: bool = False
    hangs: bool = False
    seen: threading.Event | None = None
    breaks: bool = False


@dataclass(frozen=True)
class Request:
    path: str
    headers: Mapping[str, str]
    at: float

    @property
    def is_conditional(self) -> bool:
        return "If-None-Match" in self.headers or "If-Modified-Since" in self.headers


class Site(ThreadingHTTPServer):
    """`pages` by path; a list of pages is answered one after the other, the last one for good."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, Page | list[Page]] = {}
        self.requests: list[Request] = []
        self.statuses: list[int] = []
        self.sent = 0
        self.at_once = 0
        self.most_at_once = 0
        self.scheme = "http"
        self.lock = threading.Lock()
        self.ends = threading.Event()
        # Answers wait until so many requests are there; a test of concurrency needs no clock.
        self.gate: threading.Barrier | None = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    @classmethod
    @contextmanager
    def run(cls, tls: ssl.SSLContext | None = None) -> Iterator[Self]:
        with cls() as site:
            if tls:
                site.scheme = "https"
                site.socket = tls.wrap_socket(site.socket, server_side=True)
            thread = threading.Thread(target=site.serve_forever, args=(0.02,))
            thread.start()
            try:
                yield site
            finally:
                site.ends.set()
                site.shutdown()
                thread.join()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what many of these tests are about."""

    def lists(self, *paths: str, lastmod: Mapping[str, str] | None = None, at: str = "") -> None:
        """Make a sitemap of paths or whole addresses."""
        self.pages[at or "/sitemap.xml"] = Page(self.sitemap(*paths, lastmod=lastmod))

    def sitemap(self, *paths: str, lastmod: Mapping[str, str] | None = None) -> bytes:
        dates = lastmod or {}
        entries = "".join(
            f"<url><loc>{path if '://' in path else self.url + path}</loc>"
            + (f"<lastmod>{dates[path]}</lastmod>" if path in dates else "")
            + "</url>"
            for path in paths
        )
        return f"<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>{entries}</urlset>".encode()

    def index(self, *addresses: str, at: str = "/sitemap.xml") -> None:
        entries = "".join(
            f"<sitemap><loc>{address if '://' in address else self.url + address}</loc></sitemap>"
            for address in addresses
        )
        namespace = "http://www.sitemaps.org/schemas/sitemap/0.9"
        self.pages[at] = Page(
            f"<sitemapindex xmlns='{namespace}'>{entries}</sitemapindex>".encode()
        )

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def forget(self) -> None:
        self.requests.clear()
        self.statuses.clear()


def html(title: str, text: str = "", head: str = "", *, etag: bool = True) -> Page:
    """A page like a generator of docs makes it."""
    content = (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{title}</title>{head}"
        f"</head><body><nav><a href='/'>Home</a></nav><main><article><h1>{title}</h1>"
        f"<p>{text or f'All about {title}, and how it is used.'}</p></article></main></body></html>"
    )
    return Page(content.encode(), headers={"Content-Type": "text/html"}, etag=etag)


def packed(page: Page) -> Page:
    assert isinstance(page.body, bytes)
    return Page(gzip.compress(page.body), headers={**page.headers, "Content-Encoding": "gzip"})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: Site

    def do_GET(self) -> None:
        site = self.server
        with site.lock:
            site.requests.append(Request(self.path, dict(self.headers), time.monotonic()))
            site.at_once += 1
            site.most_at_once = max(site.most_at_once, site.at_once)
            page = site.pages.get(self.path, Page(b"not here", 404))
            if isinstance(page, list):
                page = page.pop(0) if len(page) > 1 else page[0]
        try:
            if site.gate and self.path not in ("/robots.txt", "/sitemap.xml"):
                site.gate.wait()
            if page.seen:
                page.seen.set()
            if page.hangs:
                site.ends.wait()
        finally:
            # Before it is answered: from then on the client may ask again.
            with site.lock:
                site.at_once -= 1
        if page.breaks or page.hangs:
            self.close_connection = True
            return
        self._answer(page)

    def _answer(self, page: Page) -> None:
        headers = dict(page.headers)
        status, body = page.status, page.body
        if page.etag and isinstance(body, bytes):
            headers["ETag"] = f'"{hashlib.sha256(body).hexdigest()[:12]}"'
            if self.headers["If-None-Match"] == headers["ETag"]:
                status, body = 304, b""
        with self.server.lock:
            self.server.statuses.append(status)
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if isinstance(body, bytes):
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self._send(body)
            return
        self.send_header("Connection", "close")
        self.end_headers()
        for part in body:
            self._send(part)

    def _send(self, part: bytes) -> None:
        self.wfile.write(part)
        self.wfile.flush()
        with self.server.lock:
            self.server.sent += len(part)
