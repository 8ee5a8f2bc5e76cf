"""Reads the pages of a site one by one, and tells what became of each."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from email.message import Message

import httpx

from chatkit_tools.address import page_key
from chatkit_tools.errors import RefusedPageError, SourceError, UnreadablePageError
from chatkit_tools.freshness import Fingerprint, keep_validator, settle
from chatkit_tools.html_page import read_page
from chatkit_tools.page_file import MAX_PAGE_BYTES
from chatkit_tools.page_list import PageList, WebPage
from chatkit_tools.selection import Patterns
from chatkit_tools.source import (
    Document,
    Read,
    SkippedDocument,
    UnchangedDocument,
    UnreadableDocument,
)
from chatkit_tools.website import VERSION, Answer, FetchError, LeftOutError, Website

_TYPES = frozenset({"text/html", "application/xhtml+xml"})
# So many pages in a row, with all their attempts, and the site is asked whether it is there.
_STREAK = 10


class PageReader:
    """Reads pages for one run; `known` has the fingerprints of the last one, by address."""

    def __init__(
        self,
        site: Website,
        pages: PageList,
        patterns: Patterns,
        known: Mapping[str, str],
        *,
        version: str = "",
        locale: str = "",
    ) -> None:
        self._site = site
        self._pages = pages
        self._place = pages.place
        self._patterns = patterns
        self._version = version
        self._locale = locale
        self._reader = "/".join((VERSION, version, locale))
        self._known: dict[str, tuple[str, Fingerprint]] = {}
        for address, text in known.items():
            fingerprint = Fingerprint.parse(text)
            if fingerprint.reader != self._reader:
                fingerprint = Fingerprint(listed=fingerprint.listed)
            self._known[page_key(address)] = address, fingerprint
            if fingerprint.listed:
                self._known.setdefault(page_key(fingerprint.listed), (address, fingerprint))
        self._claimed: dict[str, str] = {}
        self._kept: set[str] = set()
        self._duplicates: list[tuple[WebPage, str]] = []
        self._streak = 0
        self._parsing = asyncio.Lock()
        # A preview's own headers keep it from search engines; they say nothing of the site.
        self._heeds_robots_header = self._place.root == self._place.published

    def is_dated(self, page: WebPage) -> bool:
        """Tell whether the sitemap has the date that it had when the page was read, and may be."""
        stored = self._stored(page.url)
        if not page.lastmod or not self._site.allows(page.url):
            return False
        return stored is not None and stored[1].lastmod == page.lastmod

    def take_as_unchanged(self, page: WebPage) -> UnchangedDocument:
        """Believe the sitemap."""
        self._kept.add(page_key(page.url))
        address = self._stored_address(page.url)
        return UnchangedDocument(address, address)

    def contradicts(self, read: Read) -> bool:
        """Tell whether a page whose date is the same has other content."""
        if not isinstance(read, Document):
            return False
        stored = self._known.get(page_key(read.url))
        return stored is None or stored[1].hash != Fingerprint.parse(read.fingerprint).hash

    async def read(self, page: WebPage, *, alone: bool = False) -> Read | None:
        """Ask for one page, and make of the answer what it is worth.

        None says that the page names another one as the original, which counts only if that is
        read too: `read_duplicates` comes back to it. A page that is read `alone` is kept.

        Raises:
            SourceError: the site has stopped answering.
        """
        address = self._place.publish(page.url)
        last = page.url

        def follow(_: str, target: str) -> str:
            nonlocal last
            last = self._follow(page, target)
            return last

        try:
            if not self._site.allows(page.url):
                raise LeftOutError("robots.txt disallows it")
            answer = await self._site.get(
                page.url,
                limit=MAX_PAGE_BYTES,
                headers=self._conditions,
                follow=follow,
                accept=self._accept,
            )
            self._streak = 0
            if answer.status == httpx.codes.NOT_MODIFIED:
                self._kept.add(page_key(answer.url))
                stored = self._stored_address(answer.url)
                return UnchangedDocument(stored, stored)
            # One at a time: several threads would only keep the event loop waiting for its turn.
            async with self._parsing:
                document, original = await asyncio.to_thread(self._make, page, answer)
            if original and not alone:
                self._duplicates.append((page, original))
                return None
            self._kept.add(page_key(answer.url))
            return document
        except LeftOutError as exc:
            self._streak = 0
            return SkippedDocument(address, str(exc))
        except FetchError as exc:
            await self._count(exc)
            # What is stored of it may stand for its duplicates.
            self._kept.add(page_key(last))
            return UnreadableDocument(address, str(exc), self._stored_address(last))

    async def read_duplicates(self) -> AsyncGenerator[Read, None]:
        """Tell of each page that names another as its original what became of it, at the end."""
        # In the order of the sitemap, and not of the answers: of two pages that name each other,
        # every run keeps the same one.
        places = {page.url: place for place, page in enumerate(self._pages.pages.values())}
        for page, original in sorted(self._duplicates, key=lambda found: places[found[0].url]):
            address = self._place.publish(page.url)
            if page_key(original) in self._kept:
                original = self._place.publish(original)
                yield SkippedDocument(address, f"is a duplicate of {original}")
            elif read := await self.read(page, alone=True):
                yield read

    def _stored(self, url: str) -> tuple[str, Fingerprint] | None:
        return self._known.get(page_key(self._place.publish(url)))

    def _stored_address(self, url: str) -> str:
        stored = self._stored(url)
        return stored[0] if stored else self._place.publish(url)

    def _conditions(self, url: str) -> Mapping[str, str]:
        stored = self._stored(url)
        return stored[1].headers if stored else {}

    def _follow(self, page: WebPage, target: str) -> str:
        url = self._place.find(target)
        if url is None:
            raise LeftOutError(f"redirects to {target}, outside {self._place.scope}")
        key, own = page_key(url), page_key(page.url)
        if key == own:
            return url
        if key in self._pages.pages or self._claimed.setdefault(key, own) != own:
            raise LeftOutError(f"redirects to {url}, which is read by itself")
        if not self._site.allows(url):
            raise LeftOutError(f"redirects to {url}, which robots.txt disallows")
        if not self._patterns.want(self._place.publish(url)):
            raise LeftOutError(f"redirects to {url}, which the patterns leave out")
        return url

    def _accept(self, headers: httpx.Headers) -> None:
        if self._heeds_robots_header and _forbids(headers.get_list("X-Robots-Tag")):
            raise LeftOutError("noindex in its X-Robots-Tag")
        kind = _content_type(headers).get_content_type()
        if "Content-Type" in headers and kind not in _TYPES:
            raise LeftOutError(f"is {kind[:60]}, not HTML")

    def _make(self, page: WebPage, answer: Answer) -> tuple[Document, str]:
        """Return the document, and the address of its original where that is another page."""
        address = self._place.publish(answer.url)
        charset = _content_type(answer.headers).get_content_charset()
        try:
            html = read_page(answer.body, address, charset)
        except RefusedPageError as exc:
            raise LeftOutError(str(exc)) from None
        except UnreadablePageError as exc:
            raise FetchError(str(exc)) from None
        if html.left_out:
            raise LeftOutError(html.left_out)
        original, pieces = "", html.pieces
        canonical = self._place.find(html.canonical) if html.canonical else None
        if canonical:
            key = page_key(canonical)
            if key == page_key(answer.url):
                read_at, address = address, self._place.publish(canonical)
                # Links within the page were made whole with the address that it was read at.
                pieces = tuple(
                    replace(piece, text=piece.text.replace(f"]({read_at}#", f"]({address}#"))
                    for piece in pieces
                )
            elif key in self._pages.pages:
                original = canonical
        document = Document(
            path=address,
            url=address,
            title=html.title,
            pieces=pieces,
            version=self._version or html.version,
            locale=self._locale or html.locale,
            breadcrumbs=html.breadcrumbs,
        )
        listed = self._place.publish(page.url)
        fingerprint = Fingerprint(
            etag=keep_validator(answer.headers.get("ETag", "")),
            modified=keep_validator(answer.headers.get("Last-Modified", "")),
            lastmod=settle(page.lastmod),
            listed=listed if page_key(listed) != page_key(address) else "",
            hash=document.hash[:16],
            reader=self._reader,
        )
        return replace(document, fingerprint=str(fingerprint)), original

    async def _count(self, error: FetchError) -> None:
        """Give up where the whole site is down, not only these pages."""
        self._streak = self._streak + 1 if error.down else 0
        if self._streak < _STREAK:
            return
        self._streak = 0
        try:
            await self._site.get(self._pages.sitemap, limit=MAX_PAGE_BYTES)
        except LeftOutError:
            return
        except FetchError as exc:
            raise SourceError(
                f"{self._place.root} has stopped answering ({exc}); nothing was changed, and the"
                " next run goes on where this one stopped"
            ) from None


def _content_type(headers: httpx.Headers) -> Message:
    message = Message()
    message["Content-Type"] = headers.get("Content-Type", "text/html")
    return message


def _forbids(values: list[str]) -> bool:
    """Read X-Robots-Tag: rules for all robots, or for the one whose name stands before them."""
    for value in values:
        robot = ""
        for part in value.lower().split(","):
            name, mark, rule = part.rpartition(":")
            robot = name.strip() if mark else robot
            if rule.strip() in ("noindex", "none") and robot in ("", "chatkit-server"):
                return True
    return False
