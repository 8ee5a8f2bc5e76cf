"""Speaks to one website, politely: few requests at a time, and none that it does not want."""

import asyncio
import random
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Self

import httpx
from protego import Protego

from chatkit_tools.address import normalize
from chatkit_tools.errors import SourceError

VERSION = version("chatkit-server")
USER_AGENT = f"chatkit-server/{VERSION} (documentation search)"
_TIMEOUT = httpx.Timeout(15.0, connect=10.0)
_MAX_REDIRECTS = 10
_ROBOTS_BYTES = 2_000_000
# Answers that another try may better.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_NO_ADDRESS = "redirects to something that is no web address"
_LONGEST_BACKOFF = 30.0
# A site that wants to be left alone for longer is left alone: the run ends, and may be repeated.
_LONGEST_REST = 120.0


class FetchError(Exception):
    """A page could not be had; another time it may be. The message is the reason.

    `down` says that the site as a whole seems to be out of order; `status` is 0 without an answer.
    """

    def __init__(self, reason: str, *, status: int = 0, down: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.down = down


class LeftOutError(Exception):
    """A page is not for us; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a site answered: 200 with a body, or 304 without."""

    url: str
    status: int
    headers: httpx.Headers
    body: bytes


Headers = Mapping[str, str]
Accept = Callable[[httpx.Headers], None]


def _no_headers(_: str) -> Headers:
    return {}


def _accept_all(_: httpx.Headers) -> None:
    pass


def stay_on_host(url: str, target: str) -> str:
    """Follow a redirect where the next request is as safe as the last one was."""
    old, new = httpx.URL(url), httpx.URL(target)
    same_port = new.port == old.port or {old.scheme, new.scheme} == {"http", "https"}
    if new.host != old.host or not same_port or (old.scheme, new.scheme) == ("https", "http"):
        raise LeftOutError(f"redirects to {target}")
    return target


class Website:
    """One site. `attempts` is how often a request is made until it counts as failed."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        concurrency: int,
        attempts: int,
        backoff: float,
        patience: float,
    ) -> None:
        self._client = client
        self._slots = asyncio.Semaphore(concurrency)
        self._attempts = attempts
        self._backoff = backoff
        self._patience = patience
        self._robots = Protego()
        self._gap = 0.0
        self._free_at = 0.0

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        headers: Headers,
        *,
        concurrency: int = 4,
        attempts: int = 4,
        backoff: float = 0.5,
        patience: float = 60.0,
    ) -> AsyncIterator[Self]:
        """Make ready to ask; `patience` is for one whole answer, however slowly it drips."""
        # Bodies are unpacked here, with a limit, so only what we can unpack is asked for.
        sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip", **headers}
        # Reading all the certificates of the world takes a while.
        context = await asyncio.to_thread(httpx.create_ssl_context)
        async with httpx.AsyncClient(headers=sent, timeout=_TIMEOUT, verify=context) as client:
            yield cls(
                client,
                concurrency=concurrency,
                attempts=attempts,
                backoff=backoff,
                patience=patience,
            )

    async def read_robots(self, url: str) -> list[str]:
        """Read robots.txt for the site of `url`, obey it from now on; return the sitemaps in it.

        As RFC 9309 has it: without a robots.txt everything may be read, and while it can't be had
        nothing may.
        """
        place = str(httpx.URL(url).join("/robots.txt"))
        try:
            answer = await self.get(place, limit=_ROBOTS_BYTES)
        except LeftOutError:
            return []
        except FetchError as exc:
            if 400 <= exc.status < 500 and exc.status not in _PASSING:
                return []
            raise SourceError(f"{place} can't be read, so nothing was: {exc}") from None
        text = answer.body.decode("utf-8-sig", "replace")
        self._robots = await asyncio.to_thread(Protego.parse, text)
        agent = self._client.headers["User-Agent"]
        self._gap = self._robots.crawl_delay(agent) or 0.0
        if rate := self._robots.request_rate(agent):
            self._gap = max(self._gap, rate.seconds / rate.requests)
        if self._gap > _LONGEST_REST:
            raise SourceError(
                f"{place} asks for {self._gap:,.0f} s between two requests, too long to read a site"
            )
        return list(self._robots.sitemaps)

    def allows(self, url: str) -> bool:
        """Tell whether robots.txt lets us read an address."""
        return self._robots.can_fetch(url, self._client.headers["User-Agent"])

    async def get(
        self,
        url: str,
        *,
        limit: int,
        headers: Callable[[str], Headers] = _no_headers,
        follow: Callable[[str, str], str] = stay_on_host,
        accept: Accept = _accept_all,
    ) -> Answer:
        """Get a page of at most `limit` bytes, unpacked.

        `headers` gives those for an address. `follow` says where to go on when an address redirects
        to another, or raises `LeftOutError`, as `accept` may before the body is read.

        Raises:
            FetchError: it can't be had now.
            LeftOutError: it is gone, too big, or not wanted.
            SourceError: the site asks to be left alone.
        """
        visited = {url}
        while True:
            answer = await self._try(url, limit, headers(url), accept)
            if answer.status in (200, 304):
                return answer
            target = normalize(answer.headers["Location"], url)
            if target is None:
                raise LeftOutError(_NO_ADDRESS)
            url = follow(url, str(target))
            if url in visited:
                raise LeftOutError(f"redirects in a circle, to {url}")
            if len(visited) > _MAX_REDIRECTS:
                raise LeftOutError(f"redirects more than {_MAX_REDIRECTS} times")
            visited.add(url)

    async def _try(self, url: str, limit: int, headers: Headers, accept: Accept) -> Answer:
        for attempt in range(1, self._attempts + 1):
            rest = min(self._backoff * 2**attempt, _LONGEST_BACKOFF)
            try:
                async with self._slots:
                    await self._wait()
                    async with asyncio.timeout(self._patience):
                        return await self._ask(url, limit, headers, accept)
            except _PassingError as exc:
                error = exc.error
                if exc.retry_after > _LONGEST_REST:
                    raise SourceError(
                        f"{url} answers {error}, and to come back in {exc.retry_after:,.0f} s;"
                        " run it again then, it goes on where it stopped"
                    ) from None
                rest = exc.retry_after or rest
                if error.status in (429, 503):
                    # This is too much for the site, so it holds for every request.
                    self._free_at = max(self._free_at, time.monotonic() + rest)
                    rest = 0.0
            except httpx.InvalidURL:
                # The client reads a redirect's target before we do.
                raise LeftOutError(_NO_ADDRESS) from None
            except (httpx.TransportError, TimeoutError) as exc:
                error = FetchError(_describe(exc), down=True)
                if _is_refused_certificate(exc):
                    raise error from exc
            if attempt < self._attempts:
                # Many pages that failed at once are not asked for at once again.
                jitter = random.uniform(0.5, 1.0)  # noqa: S311 - no secret
                await asyncio.sleep(rest * jitter)
        raise error

    async def _wait(self) -> None:
        # Meanwhile the site may ask to be left alone for longer.
        while (rest := self._free_at - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(rest)
        self._free_at = time.monotonic() + self._gap

    async def _ask(self, url: str, limit: int, headers: Headers, accept: Accept) -> Answer:
        async with self._client.stream("GET", url, headers=dict(headers)) as response:
            status = response.status_code
            reason = f"{status} {response.reason_phrase}".strip()
            if status in _PASSING:
                # One page that breaks its server says nothing of the others.
                raise _PassingError(
                    FetchError(reason, status=status, down=status != 500),
                    _retry_after(response.headers),
                )
            if status in (404, 410):
                raise LeftOutError(f"is gone ({status})")
            if response.has_redirect_location:
                return Answer(url, status, response.headers, b"")
            if status == 304 and headers:
                return Answer(url, status, response.headers, b"")
            if status != 200:
                raise FetchError(reason, status=status)
            accept(response.headers)
            return Answer(url, status, response.headers, await _read_body(response, limit))


class _PassingError(Exception):
    def __init__(self, error: FetchError, retry_after: float) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after = retry_after


def _retry_after(headers: httpx.Headers) -> float:
    """Seconds to wait as the site asks, 0 where it doesn't say."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def _describe(exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return "no whole answer in time"
    if isinstance(exc, httpx.TimeoutException):
        return "no answer in time"
    if _is_refused_certificate(exc):
        return f"its certificate is not accepted: {exc}"
    return str(exc) or type(exc).__name__


def _is_refused_certificate(exc: BaseException | None) -> bool:
    while exc is not None and not isinstance(exc, ssl.SSLCertVerificationError):
        exc = exc.__cause__ or exc.__context__
    return exc is not None


async def _read_body(response: httpx.Response, limit: int) -> bytes:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("gzip", "x-gzip"):
        unpacked = Gunzip(limit)
        async for chunk in response.aiter_raw():
            unpacked.feed(chunk)
        return unpacked.finish()
    if encoding not in ("identity", ""):
        raise FetchError(f"is packed as {encoding[:40]}, which was not asked for")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit:
            raise _too_big(limit)
    return bytes(body)


def _too_big(limit: int) -> LeftOutError:
    return LeftOutError(f"is bigger than {limit / 1_000_000:g} MB")


class Gunzip:
    """Unpacks gzip, and no more than `limit` bytes: a small file may hold a very big one."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._body = bytearray()
        self._member = zlib.decompressobj(wbits=31)

    def feed(self, data: bytes) -> None:
        """Take the next part.

        Raises:
            LeftOutError: there is more in it than the limit.
            FetchError: it is broken.
        """
        while data:
            if self._member.eof:
                # Files may be joined; what is no further one is padding.
                if not data.startswith(b"\x1f"):
                    return
                self._member = zlib.decompressobj(wbits=31)
            try:
                self._body += self._member.decompress(data, self._limit + 1 - len(self._body))
            except zlib.error:
                raise FetchError("is broken gzip") from None
            if len(self._body) > self._limit:
                raise _too_big(self._limit)
            data = self._member.unused_data if self._member.eof else b""

    def finish(self) -> bytes:
        """Return all of it."""
        if not self._member.eof:
            raise FetchError("is gzip that ends too early")
        return bytes(self._body)
