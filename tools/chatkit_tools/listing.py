"""Reads sitemaps: XML ones, indexes of sitemaps, and lists of addresses in a text file."""

from dataclasses import dataclass, field
from xml.parsers import expat

_TEXT_BYTES = 2_000


class ListingError(Exception):
    """This is no sitemap; the message completes a sentence that begins with its address."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An address in a sitemap, and when the page was changed as far as the sitemap knows."""

    address: str
    lastmod: str = ""


@dataclass(slots=True)
class Listing:
    """What a sitemap lists: pages, or further sitemaps."""

    pages: list[Listed] = field(default_factory=list)
    sitemaps: list[Listed] = field(default_factory=list)


def read_listing(data: bytes) -> Listing:
    """Read a sitemap.

    Raises:
        ListingError: it is something else, or broken.
    """
    start = data[:_TEXT_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[:14].lower() == b"<!doctype html":
        raise ListingError("is no sitemap but HTML")
    if start[:1] == b"<" or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _XmlReader().read(data)
    return _read_lines(data)


def _read_lines(data: bytes) -> Listing:
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ListingError("is neither XML nor text") from None
    addresses = [line.strip() for line in lines if line.strip()]
    if not addresses:
        raise ListingError("is empty")
    for address in addresses:
        if not address.startswith(("http://", "https://")):
            raise ListingError(f"is no sitemap: it has the line {address[:60]!r}")
    return Listing(pages=[Listed(address) for address in addresses])


class _XmlReader:
    """A reader by events: a sitemap may have 50 MB.

    Expat stops documents that grow out of all proportion, and a document type, the place where
    entities are made, is refused as a whole: no sitemap has one.
    """

    def __init__(self) -> None:
        self._listing = Listing()
        self._path: list[str] = []
        self._text: list[str] = []
        self._fields: dict[str, str] = {}

    def read(self, data: bytes) -> Listing:
        # Names come as "namespace name": prefixes are free, and some sitemaps lack the namespace.
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        try:
            parser.Parse(data, True)
        except expat.ExpatError as exc:
            raise ListingError(
                f"is broken in line {exc.lineno}: {expat.ErrorString(exc.code)}"
            ) from None
        return self._listing

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(" ")[2]
        if not self._path and name not in ("urlset", "sitemapindex"):
            raise ListingError(f"is no sitemap: its first element is <{name[:40]}>")
        self._path.append(name)
        self._text.clear()

    def _end(self, name: str) -> None:
        match self._path:
            # The images and videos of a page have a <loc> of their own, further down.
            case [_, "url" | "sitemap", "loc" | "lastmod" as key]:
                self._fields[key] = "".join(self._text).strip()
            case ["urlset", "url"] | ["sitemapindex", "sitemap"]:
                self._add()
        self._path.pop()

    def _add(self) -> None:
        if address := self._fields.get("loc"):
            listed = Listed(address, self._fields.get("lastmod", ""))
            is_page = self._path[0] == "urlset"
            (self._listing.pages if is_page else self._listing.sitemaps).append(listed)
        self._fields = {}

    def _refuse_doctype(self, name: str, *_: object) -> None:
        raise ListingError(f"is no sitemap: it has a document type, {name[:40]}")
