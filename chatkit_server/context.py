"""Who asks, from which page, and the turn that answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from chatkit.types import NonStreamingReq, StreamingReq

from .turn import Turn


@dataclass(frozen=True, slots=True)
class ReadingPage:
    """The page that the reader is on, as the browser tells it: untrusted."""

    url: str = ""
    title: str = ""
    heading: str = ""
    version: str = ""
    locale: str = ""

    @classmethod
    def read(cls, value: object) -> ReadingPage | None:
        """Take the known fields of `metadata.page`, shortened; None where there is nothing."""
        if not isinstance(value, dict):
            return None
        fields = {
            name: text.strip()[:500]
            for name in cls.__slots__
            if isinstance(text := value.get(name), str) and text.strip()
        }
        return cls(**fields) if fields else None


def place(page: ReadingPage | None) -> dict[str, str]:
    """The page's fields that have a value."""
    return {name: value for name, value in asdict(page).items() if value} if page else {}


@dataclass(slots=True)
class RequestContext:
    """What every method of the server and the store gets for one request."""

    user_id: str
    page: ReadingPage | None = None
    request: StreamingReq | NonStreamingReq | None = None
    """The parsed request; set by the route, so that it is parsed once."""
    turn: Turn | None = None
    """Set for requests that stream."""
    endpoint: str = ""
    """Where the client has found the endpoint: `https://host/chatkit`."""

    @property
    def running_turn(self) -> Turn:
        """The turn of a request that streams."""
        if self.turn is None:
            raise RuntimeError("a turn is begun by a streamed request")
        return self.turn

    @property
    def turn_id(self) -> str | None:
        """The turn that holds the thread; the store writes for it only as long as it does."""
        return self.turn.id if self.turn is not None and self.turn.thread_id is not None else None

    @property
    def version(self) -> str | None:
        """The version of the docs that the reader is at, as the browser tells it."""
        return self.page.version or None if self.page is not None else None

    @property
    def locale(self) -> str | None:
        """The language of the page that the reader is at, as the browser tells it."""
        return self.page.locale or None if self.page is not None else None

    def number(self, hits: Any) -> list[int]:
        """Citation numbers for passages that the model is about to see."""
        if self.turn is None:
            return list(range(1, len(hits) + 1))
        if self.turn.inquiry is not None:
            self.turn.inquiry.note(hits)
        return self.turn.sources.number(hits)
