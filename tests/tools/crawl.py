"""Reads a test's site by its sitemap."""

from collections.abc import Mapping
from typing import Any

from chatkit_tools.sitemap import Sitemap
from chatkit_tools.source import Document, Read, SkippedDocument, UnreadableDocument
from tests.tools.site import Site


def source(url: str, **options: Any) -> Sitemap:
    """One that does not wait long for another try."""
    return Sitemap(url, **{"backoff": 0.001, **options})


async def read_all(source: Sitemap, known: Mapping[str, str] | None = None) -> list[Read]:
    return [read async for read in source.read(known or {})]


async def read(
    site: Site, known: Mapping[str, str] | None = None, **options: Any
) -> dict[str, Read]:
    """What became of each page, by its path on the site."""
    found = await read_all(source(f"{site.url}/sitemap.xml", **options), known)
    return {one.path.removeprefix(site.url): one for one in found}


def fingerprints(found: Mapping[str, Read]) -> dict[str, str]:
    return {one.url: one.fingerprint for one in found.values() if isinstance(one, Document)}


def reason(found: Read) -> str:
    assert isinstance(found, SkippedDocument | UnreadableDocument)
    return found.reason
