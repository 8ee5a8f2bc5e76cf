"""The pages that the sitemaps of a site list."""

import asyncio
from collections import deque
from dataclasses import dataclass

import httpx

from chatkit_tools.address import Place, page_key
from chatkit_tools.errors import SourceError
from chatkit_tools.listing import Listed, Listing, ListingError, read_listing
from chatkit_tools.selection import Patterns
from chatkit_tools.source import SkippedDocument, UnreadableDocument
from chatkit_tools.website import FetchError, Gunzip, LeftOutError, Website

# What the sitemaps' protocol allows.
_SITEMAP_BYTES = 52_428_800
_MAX_SITEMAPS = 1_000
# The protocol has one level of indexes; some sites have more.
_MAX_DEPTH = 4


@dataclass(frozen=True, slots=True)
class WebPage:
    """A page to read: where, and when it was changed as far as the sitemap knows."""

    url: str
    lastmod: str


class PageList:
    """What is found on the way through the sitemaps of a site.

    `pages` are by key, in the order of the sitemap; `notes` tell what was left out.
    """

    def __init__(self, site: Website, patterns: Patterns, max_pages: int) -> None:
        self.pages: dict[str, WebPage] = {}
        self.notes: list[SkippedDocument | UnreadableDocument] = []
        self.place: Place
        self.sitemap: str
        self._site = site
        self._patterns = patterns
        self._max_pages = max_pages
        self._has_outside = False

    async def find(self, start: httpx.URL, base_url: str | None, *, is_sitemap: bool) -> None:
        """Go through all sitemaps.

        Raises:
            SourceError: there is none, it can't be read, or lists nothing of this site.
        """
        self.place = Place.of(start, base_url, scope="/" if is_sitemap else ".")
        named = await self._site.read_robots(str(start))
        if is_sitemap:
            await self._walk([str(start)])
        elif found := [url for address in named if (url := self._find_sitemap(address))]:
            await self._walk(found)
        else:
            await self._walk_guessed(start)
        if not self.pages:
            raise SourceError(f"{self.sitemap} lists no page to read{self._why_none()}")

    def _find_sitemap(self, address: str) -> str | None:
        """Sitemaps lie anywhere on the host, so the scope of the pages does not count."""
        start = httpx.URL(self.place.root)
        anywhere = Place(self.place.root, self.place.published, str(start.join("/")))
        return anywhere.find(address, self.place.root)

    async def _walk_guessed(self, start: httpx.URL) -> None:
        guessed = dict.fromkeys(str(start.join(path)) for path in ("sitemap.xml", "/sitemap.xml"))
        tried = []
        for url in guessed:
            try:
                return await self._walk([url])
            except SourceError as exc:
                tried.append(str(exc))
        raise SourceError(f"robots.txt names no sitemap of this site, and {'; '.join(tried)}")

    async def _walk(self, addresses: list[str]) -> None:
        self.sitemap = addresses[0]
        waiting = deque((url, 1) for url in addresses)
        seen = set(addresses)
        read = 0
        failure = ""
        while waiting:
            url, depth = waiting.popleft()
            if len(self.pages) >= self._max_pages or read >= _MAX_SITEMAPS:
                self._skip(url, "was not read, there are too many pages or sitemaps before it")
                break
            try:
                listing = await self._read(url)
            except (FetchError, LeftOutError, ListingError) as exc:
                failure = failure or f"{url}: {exc}"
                # Without an address: whatever it would list stays as it is stored.
                self.notes.append(UnreadableDocument(url, str(exc)))
                continue
            read += 1
            await asyncio.to_thread(self._add_pages, url, listing.pages)
            for listed in listing.sitemaps:
                further = self._find_sitemap(listed.address)
                if further is None:
                    self._skip(listed.address, "is a sitemap of another site")
                elif depth >= _MAX_DEPTH:
                    self._skip(further, f"is a sitemap more than {_MAX_DEPTH} levels down")
                elif further not in seen:
                    seen.add(further)
                    waiting.append((further, depth + 1))
        if not read:
            self.notes.clear()
            raise SourceError(failure)

    async def _read(self, url: str) -> Listing:
        answer = await self._site.get(url, limit=_SITEMAP_BYTES)
        return await asyncio.to_thread(_unpack, answer.body)

    def _add_pages(self, sitemap: str, listed: list[Listed]) -> None:
        outside: list[str] = []
        unwanted = 0
        for one in listed:
            url = self.place.find(one.address, sitemap)
            if url is None:
                outside.append(one.address)
            elif not self._patterns.want(self.place.publish(url)):
                unwanted += 1
            elif len(self.pages) >= self._max_pages and page_key(url) not in self.pages:
                self._skip(
                    sitemap, f"lists more than {self._max_pages:,} pages; the rest was left out"
                )
                break
            else:
                self.pages.setdefault(page_key(url), WebPage(url, one.lastmod))
        if outside:
            self._has_outside = True
            many = f"{len(outside):,} addresses" if len(outside) > 1 else "an address"
            self._skip(
                sitemap, f"lists {many} outside {self.place.scope}, such as {outside[0][:200]}"
            )
        if unwanted:
            self._skip(sitemap, f"lists {unwanted:,} pages that the patterns leave out")

    def _skip(self, path: str, reason: str) -> None:
        self.notes.append(SkippedDocument(path, reason))

    def _why_none(self) -> str:
        reasons = [
            note.reason if note.path == self.sitemap else f"{note.path} {note.reason}"
            for note in self.notes[:3]
        ]
        if self._has_outside and self.place.root == self.place.published:
            reasons.append("if that is where the site is published, name it as the base URL")
        return "; ".join(["", *reasons])


def _unpack(data: bytes) -> Listing:
    if data.startswith(b"\x1f\x8b"):
        unpacked = Gunzip(_SITEMAP_BYTES)
        unpacked.feed(data)
        data = unpacked.finish()
    return read_listing(data)
