"""Finds out which version and which language of the docs a reader means who names none."""

import re
from collections import Counter
from collections.abc import Iterable
from urllib.parse import urlsplit

# Docusaurus' name for the docs that are being written, and where it puts them.
_UNRELEASED = frozenset({"current", "next", "dev", "main", "master", "unreleased"})
_NUMBERS = re.compile(r"\d+")


def order_versions(pages: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Order the versions of pages, given by address and version, the latest one first.

    The latest is the one without its name in its addresses: `/docs/intro` beside
    `/docs/1.0/intro` and `/docs/next/intro`. Where every version has its name there, it is the
    highest number.
    """
    plain: Counter[str] = Counter()
    found: set[str] = set()
    for url, version in pages:
        if version:
            found.add(version)
            names = {version, f"v{version}", *(_UNRELEASED if version in _UNRELEASED else ())}
            plain[version] += not names & _segments(url)
    return tuple(
        sorted(found, key=lambda name: (-plain[name], name in _UNRELEASED, _descending(name), name))
    )


def order_locales(pages: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Order the languages of pages, given by address and language, the site's default first.

    The default is the one without its name in its addresses.
    """
    plain: Counter[str] = Counter()
    found: set[str] = set()
    for url, locale in pages:
        if locale:
            found.add(locale)
            plain[locale] += locale.lower() not in {part.lower() for part in _segments(url)}
    return tuple(sorted(found, key=lambda name: (-plain[name], name)))


def _segments(url: str) -> set[str]:
    return set(urlsplit(url).path.split("/"))


def _descending(name: str) -> list[int]:
    # 10 is later than 9, and 2.1 later than 2.
    return [-int(number) for number in _NUMBERS.findall(name)] + [1]
