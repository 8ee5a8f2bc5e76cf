"""What a collection has of each page, as an index run finds it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chatkit_tools.collection import Collection
from chatkit_tools.note import FORMAT, Note

_FIELDS = (
    "page", "source", "hash", "fingerprint", "model", "passages", "length", "version", "locale",
    "born", "died",
)  # fmt: skip


@dataclass(slots=True)
class Edition:
    """The passages that one run wrote of one page."""

    source: str
    hash: str
    fingerprint: str
    model: str | None
    wanted: int
    """How many passages the page has."""
    version: str
    locale: str
    born: int
    ids: list[str] = field(default_factory=list)
    marked: list[str] = field(default_factory=list)
    """Those that the next generation no longer has."""
    length: int = 0
    is_current: bool = True
    """Whether its passages have the form that this version writes."""

    def is_whole(self, model: str | None) -> bool:
        """Tell whether nothing is missing, dense vectors of this model included."""
        return self.is_current and len(self.ids) == self.wanted and model in (None, self.model)


class Stored:
    """The pages of a collection: the editions that are seen, and those of a run that broke off."""

    def __init__(self) -> None:
        self.seen: dict[str, Edition] = {}
        self.waiting: dict[str, Edition] = {}
        """Written for the next generation by a run of the same source."""
        self.dead: list[str] = []
        """Passages that nobody sees now or later."""

    @classmethod
    async def load(cls, collection: Collection, note: Note | None, source: str) -> "Stored":
        """Read what the collection has."""
        stored = cls()
        generation = note.generation if note else -1
        is_current = note is not None and note.format == FORMAT
        editions: dict[tuple[str, str, int], Edition] = {}
        async for id_, payload in collection.scroll(_FIELDS):
            born, died = payload.get("born"), payload.get("died")
            if born is None or (died is not None and died <= generation):
                # Of an older format, or left by a run that was killed after it was done.
                stored.dead.append(id_)
                continue
            key = (payload["page"], payload["hash"], born)
            edition = editions.get(key) or _edition(payload)
            editions[key] = edition
            edition.ids.append(id_)
            edition.length += payload["length"]
            if died is not None:
                edition.marked.append(id_)
        for (page, _, born), edition in editions.items():
            if born <= generation:
                edition.is_current = is_current
                stored._add(stored.seen, page, edition)
            elif edition.source == source:
                stored._add(stored.waiting, page, edition)
            else:
                stored.dead += edition.ids
        return stored

    def _add(self, editions: dict[str, Edition], page: str, edition: Edition) -> None:
        former = editions.get(page)
        if former:
            # Two runs wrote at once, which the writer's lease keeps from happening: the later wins.
            former, edition = sorted((former, edition), key=lambda one: one.born)
            self.dead += former.ids
        editions[page] = edition

    def give_up(self, page: str) -> None:
        """Let go what a run that broke off has written of a page."""
        if edition := self.waiting.pop(page, None):
            self.dead += edition.ids

    def known(self, source: str, model: str | None) -> dict[str, str]:
        """Return the fingerprints of the pages of which nothing is missing, by address."""
        return {
            page: edition.fingerprint
            for page, edition in (self.seen | self.waiting).items()
            if edition.source == source and edition.fingerprint and edition.is_whole(model)
        }

    def marked(self) -> Iterator[str]:
        """Yield the passages that a run which broke off has marked as dead."""
        for edition in self.seen.values():
            yield from edition.marked


def _edition(payload: Mapping[str, Any]) -> Edition:
    return Edition(
        source=payload["source"],
        hash=payload["hash"],
        fingerprint=payload.get("fingerprint") or "",
        model=payload.get("model"),
        wanted=payload["passages"],
        version=payload.get("version") or "",
        locale=payload.get("locale") or "",
        born=payload["born"],
    )
