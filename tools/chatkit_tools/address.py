"""Addresses: which are of a site, where a page is read and where it is published."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import httpx

# The site's own addresses are parsed for each page that it lists.
_parse = lru_cache(maxsize=64)(httpx.URL)
_HOST = re.compile(rb"[0-9a-z._:-]+")
_INDEX = re.compile(r"(?<=/)index\.html?$")


def normalize(address: str, base: str = "") -> httpx.URL | None:
    """Return an http(s) address without its fragment, escaped as it is sent; else None."""
    try:
        # A browser drops line ends and blanks around an address, and so do its authors.
        address = address.strip().partition("#")[0]
        is_whole = not base or address.startswith(("http://", "https://"))
        url = httpx.URL(address) if is_whole else _parse(base).join(address)
    except (httpx.InvalidURL, ValueError):
        return None
    return url if url.scheme in ("http", "https") and _HOST.fullmatch(url.raw_host) else None


def page_key(address: str) -> str:
    """What two addresses of one page share: scheme, `index.html` and last slash don't count."""
    place, mark, query = address.removeprefix("https:").removeprefix("http:").partition("?")
    return _INDEX.sub("", place).rstrip("/") + mark + query


@dataclass(frozen=True, slots=True)
class Place:
    """Where the pages of a site are read, and where their readers find them.

    Both are prefixes that end with a slash. `scope` is what the address of a page to read starts
    with.
    """

    root: str
    published: str
    scope: str

    @classmethod
    def of(cls, url: httpx.URL, base_url: str | None, *, scope: str = "/") -> Self:
        """The site whose sitemap is at `url`; `scope` is relative to that.

        With a `base_url` the folder of the sitemap is what is published there.
        """
        root = str(url.join("."))
        if base_url is None:
            return cls(root, root, str(url.join(scope)))
        address = normalize(base_url)
        return cls(root, (str(address) if address else base_url).rstrip("/") + "/", root)

    def find(self, address: str, base: str = "") -> str | None:
        """Return where to read a page that is published at `address`; None where it isn't ours."""
        url = normalize(address, base)
        # A password in a sitemap is somebody's mistake, which is not repeated in every citation.
        if url is None or url.userinfo:
            return None
        if self.published != self.root and (rest := _rest(str(url), self.published)) is not None:
            return self.root + rest
        root = _parse(self.root)
        if (url.host, url.port) != (root.host, root.port) or _rest(str(url), self.scope) is None:
            return None
        # Sitemaps are often older than a site's certificate.
        upgraded = url.scheme == "http" and root.scheme == "https"
        return str(url.copy_with(scheme="https") if upgraded else url)

    def publish(self, url: str) -> str:
        """Return the address at which readers find what was read at `url`."""
        rest = _rest(url, self.root)
        return url if rest is None or self.published == self.root else self.published + rest


def _rest(address: str, prefix: str) -> str | None:
    """What comes after `prefix`, whose scheme does not count; None where it is another place."""
    place, prefix = address.partition("://")[2], prefix.partition("://")[2]
    if not prefix:
        return None
    if place.startswith(prefix):
        return place.removeprefix(prefix)
    return "" if place + "/" == prefix else None
