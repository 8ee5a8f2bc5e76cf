"""What becomes of each page of a source, held against what the collection has of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

from chatkit_tools.source import (
    Document,
    Read,
    SkippedDocument,
    Source,
    UnchangedDocument,
    UnreadableDocument,
)
from chatkit_tools.stored import Edition, Stored


@dataclass(slots=True)
class Tally:
    """The pages that a source gave so far."""

    source: Source
    model: str | None
    """Of the dense vectors that a page must have; None where it needs none."""
    stored: Stored = field(default_factory=Stored)
    present: set[str] = field(default_factory=set)
    """Pages that the source has."""
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    written: int = 0
    """Passages of the pages that are to be written."""
    length: int = 0
    """Of those, in words that weigh anything."""
    replaced: list[Edition] = field(default_factory=list)
    renewed: list[tuple[list[str], str]] = field(default_factory=list)
    """Passages of pages that are the same under another fingerprint, or were another source's."""
    moved: bool = False
    """Whether any page was another source's."""
    fresh: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Version and language of the pages that the next generation has anew."""
    unreadable: list[UnreadableDocument] = field(default_factory=list)
    skipped: list[SkippedDocument] = field(default_factory=list)
    done: int = 0

    def take(self, found: Read) -> Document | None:
        """Count what the source gave; return it where its passages are to be written."""
        self.done += 1
        if isinstance(found, UnreadableDocument):
            self.unreadable.append(found)
        elif isinstance(found, SkippedDocument):
            self.skipped.append(found)
        elif found.url in self.present:
            reason = f"has the address of another page, {found.url}"
            self.skipped.append(SkippedDocument(found.path, reason))
        elif isinstance(found, UnchangedDocument):
            self._keep(found.url)
        elif not any(piece.text.strip() for piece in found.pieces):
            self.skipped.append(SkippedDocument(found.path, "has no text"))
        elif not self._is_stored(found):
            self.stored.give_up(found.url)
            self._renew(found.url, found.version, found.locale)
            return found
        return None

    def _is_stored(self, document: Document) -> bool:
        """Tell whether nothing of a page needs to be written, and count it then."""
        page = document.url
        seen, waiting = self.stored.seen.get(page), self.stored.waiting.get(page)
        for edition in (waiting, seen):
            if edition and edition.hash == document.hash and edition.is_whole(self.model):
                if edition is seen:
                    # The page is again as it was before the run that broke off.
                    self.stored.give_up(page)
                is_moved = edition.source != self.source.name
                if is_moved or edition.fingerprint != document.fingerprint:
                    self.renewed.append((edition.ids, document.fingerprint))
                self.moved = self.moved or is_moved
                self._keep(page)
                return True
        return False

    def _keep(self, page: str) -> None:
        if waiting := self.stored.waiting.get(page):
            # Written by a run that broke off, and not shown yet.
            self._renew(page, waiting.version, waiting.locale)
        else:
            self.present.add(page)
            self.unchanged += 1

    def _renew(self, page: str, version: str, locale: str) -> None:
        self.present.add(page)
        self.fresh[page] = (version, locale)
        if seen := self.stored.seen.get(page):
            self.changed += 1
            self.replaced.append(seen)
        else:
            self.added += 1

    def gone(self) -> dict[str, Edition]:
        """Return what is seen of pages that the source had once and has no more."""
        unread = {found.url for found in self.unreadable if found.url}
        # Of some pages not even the address can be read; what might be theirs stays.
        nameless = any(not found.url for found in self.unreadable)
        return {
            page: edition
            for page, edition in self.stored.seen.items()
            if edition.source == self.source.name
            and page not in self.present
            and page not in unread
            and not nameless
        }

    def abandoned(self) -> list[str]:
        """Return the passages that wait for pages which the source no longer has."""
        waiting = self.stored.waiting
        return [id_ for page in waiting if page not in self.present for id_ in waiting[page].ids]

    def staying(self, removed: Mapping[str, Edition]) -> dict[str, Edition]:
        """Return what is seen now and will be seen in the next generation."""
        return {
            page: edition
            for page, edition in self.stored.seen.items()
            if page not in self.fresh and page not in removed
        }

    def mean_length(self, staying: Iterable[Edition]) -> float:
        """Return the mean length of the passages that will be seen."""
        others = [*staying, *self.stored.waiting.values()]
        count = self.written + sum(len(edition.ids) for edition in others)
        length = self.length + sum(edition.length for edition in others)
        return length / count if count else 1.0

    def first_reason(self) -> str:
        """Say why the first page was left out, as an addition to a sentence."""
        found = next(
            chain[UnreadableDocument | SkippedDocument](self.unreadable, self.skipped), None
        )
        return f" ({found.path}: {found.reason})" if found else ""
