"""What tells that a page of a site is as it was when it was read."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

# Room for dates without time of day, for time zones, and for clocks that are wrong.
_MARGIN = timedelta(days=2)
_MAX_CHARS = 256


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is kept of an answer: its validators, and how the sitemap spoke of the page."""

    etag: str = ""
    modified: str = ""
    lastmod: str = ""
    """Empty too where the page was read so soon after that it may have been changed again."""
    listed: str = ""
    """The address in the sitemap, where that redirects to the page."""
    hash: str = ""
    reader: str = ""
    """Who read the page, and as what: another version may make something else of it."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one again; what another source made of a page tells nothing."""
        try:
            fields = json.loads(text)
            return cls(**{name: str(value) for name, value in fields.items()})
        except (ValueError, TypeError, AttributeError):
            return cls()

    def __str__(self) -> str:
        fields = {name: value for name, value in asdict(self).items() if value}
        return json.dumps(fields, separators=(",", ":"))

    @property
    def headers(self) -> dict[str, str]:
        """Ask for the page only if it is another one by now."""
        sent = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in sent.items() if value}


def keep_validator(value: str) -> str:
    """Return a header's value if it is fit to be sent back."""
    return value if value.isascii() and value.isprintable() and len(value) <= _MAX_CHARS else ""


def settle(lastmod: str, now: datetime | None = None) -> str:
    """Return `lastmod` if whatever is changed from now on will get another one."""
    at = _parse(lastmod)
    settled = at is not None and at < (now or datetime.now(UTC)) - _MARGIN
    return lastmod if settled else ""


def are_believable(lastmods: Iterable[str], now: datetime | None = None) -> bool:
    """Tell whether dates are of the pages' own, and not of a build or out of a template.

    Those are the same for most pages, or lie in the future.
    """
    counts = Counter(lastmods)
    dates = [at for value in counts if (at := _parse(value))]
    if not dates or max(dates) > (now or datetime.now(UTC)) + _MARGIN:
        return False
    return max(counts.values()) * 2 <= counts.total()


def _parse(lastmod: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(lastmod)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
