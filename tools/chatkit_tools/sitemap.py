"""A website as a source of documents, by its sitemap."""

import asyncio
import random
import re
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from itertools import islice

import httpx

from chatkit_tools.address import Place, normalize
from chatkit_tools.errors import SourceError
from chatkit_tools.freshness import are_believable
from chatkit_tools.page_list import PageList, WebPage
from chatkit_tools.page_reader import PageReader
from chatkit_tools.selection import Patterns
from chatkit_tools.source import Read
from chatkit_tools.website import Website

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FILE_PATH = re.compile(r"\.[a-z]\w*$", re.IGNORECASE)
_USUAL_NAME = re.compile(r"(?<=/)sitemap(?:[_-]index)?\.xml(?:\.gz)?$")
_SITEMAP_PATH = re.compile(r"\.(?:xml|txt)(?:\.gz)?$|/[^/]*sitemap[^/]*$", re.IGNORECASE)


class Sitemap:
    """The pages that a sitemap lists, or those of a site that says where its sitemap is.

    Only pages of the same host are read, and of a site's address with a path those below it.
    With a `base_url`, what the sitemap lists there is read beside the sitemap, and known by its
    address there: so a preview is indexed for the site that it is going to be. `version` and
    `locale` are those of all its pages; empty for what each page says.

    Pages are asked for with what the last run kept of them, so that a site sends those only that
    are others by now. Not asked for are those of which the sitemap says that they have not been
    changed (`lastmod`), as long as that can be believed: the dates differ from page to page, lie
    two days before the last reading, and held for a sample that is asked for in each run.
    """

    def __init__(
        self,
        url: str,
        *,
        base_url: str | None = None,
        version: str = "",
        locale: str = "",
        headers: Mapping[str, str] | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        concurrency: int = 4,
        max_pages: int = 10_000,
        attempts: int = 4,
        backoff: float = 0.5,
        patience: float = 60.0,
    ) -> None:
        start = normalize(url)
        if start is None:
            raise SourceError(f"{url} is no address that starts with http:// or https://")
        if start.userinfo:
            raise SourceError(
                "an address with a password in it would be quoted in answers; send the password as"
                " a header, Authorization"
            )
        self._start = start if _SITEMAP_PATH.search(start.path) else _as_folder(start)
        self._base_url = base_url
        self._version = version
        self._locale = locale
        self._headers = _check(headers or {})
        self._patterns = Patterns.of(include, exclude)
        self._concurrency = concurrency
        self._max_pages = max_pages
        self._attempts = attempts
        self._backoff = backoff
        self._patience = patience
        self._total: int | None = None

    @property
    def name(self) -> str:
        """Where the sitemap is published, wherever it was read, or the site with a usual one."""
        published = Place.of(self._start, self._base_url).publish(str(self._start))
        return _USUAL_NAME.sub("", published)

    @property
    def total(self) -> int | None:
        """How many pages are listed, once that is known."""
        return self._total

    async def read(self, known: Mapping[str, str]) -> AsyncGenerator[Read, None]:
        """Yield every page as its answer comes in.

        Raises:
            SourceError: the sitemap can't be had, or the site stops answering.
        """
        opened = Website.open(
            self._headers,
            concurrency=self._concurrency,
            attempts=self._attempts,
            backoff=self._backoff,
            patience=self._patience,
        )
        async with opened as site:
            pages = PageList(site, self._patterns, self._max_pages)
            await pages.find(self._start, self._base_url, is_sitemap=self._is_sitemap)
            self._total = len(pages.pages)
            for note in pages.notes:
                yield note
            reader = PageReader(
                site, pages, self._patterns, known, version=self._version, locale=self._locale
            )
            async with aclosing(self._read_pages(reader, list(pages.pages.values()))) as reads:
                async for read in reads:
                    yield read

    @property
    def _is_sitemap(self) -> bool:
        return bool(_SITEMAP_PATH.search(self._start.path))

    async def _read_pages(
        self, reader: PageReader, pages: Sequence[WebPage]
    ) -> AsyncGenerator[Read, None]:
        dated: list[WebPage] = []
        if are_believable(page.lastmod for page in pages):
            dated = [page for page in pages if reader.is_dated(page)]
        # A few are asked for all the same, to find out whether the dates are kept up.
        sample = random.sample(dated, min(len(dated), max(3, len(dated) // 20)))
        believed = True
        async with aclosing(self._each(sample, reader)) as reads:
            async for read in reads:
                believed = believed and not reader.contradicts(read)
                yield read
        done = {page.url for page in sample}
        if believed:
            for page in dated:
                if page.url not in done:
                    done.add(page.url)
                    yield reader.take_as_unchanged(page)
        rest = (page for page in pages if page.url not in done)
        async with aclosing(self._each(rest, reader)) as reads:
            async for read in reads:
                yield read
        async with aclosing(reader.read_duplicates()) as reads:
            async for read in reads:
                yield read

    async def _each(
        self, pages: Iterable[WebPage], reader: PageReader
    ) -> AsyncGenerator[Read, None]:
        """Read several at a time, no further ahead than that of whoever takes them."""
        waiting = iter(pages)
        running: set[asyncio.Task[Read | None]] = set()
        try:
            while True:
                for page in islice(waiting, self._concurrency - len(running)):
                    running.add(asyncio.create_task(reader.read(page)))
                if not running:
                    return
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    running.discard(task)
                    if read := task.result():
                        yield read
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


def _as_folder(start: httpx.URL) -> httpx.URL:
    is_file = _FILE_PATH.search(start.path)
    return start if is_file else start.copy_with(path=start.path.rstrip("/") + "/")


def _check(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        # The value may be a secret, so it is not repeated.
        if not _HEADER_NAME.fullmatch(name):
            raise SourceError("a header has to look like `Name: value`, with a name of one word")
        if not (value.isascii() and value.isprintable()):
            raise SourceError(f"the header {name} has a value with other than ASCII characters")
    return dict(headers)
