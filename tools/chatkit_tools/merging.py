"""Makes hits of ranked passages: each text once, each section in one piece, no page too often."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from chatkit_tools.collection import Found
from chatkit_tools.passage import Passage
from chatkit_tools.sections import join_parts

MAX_PER_PAGE = 3
# A page of releases may have fifty parts below one heading, and half of them have the word.
_MAX_PARTS = 3
_GAP = "[…]"

_WORD = re.compile(r"\w+")
# "See below." may stand anywhere, and says something else at each place.
_MIN_SPACES = 7
# The part of all their words that two passages below the same headings have in common.
_NEARLY = 0.9


@dataclass(slots=True)
class Section:
    """The found parts of one section, in reading order.

    `id` is the same whichever parts of the section a search finds. `also` has the other places of
    the same text, the best first.
    """

    id: str
    score: float
    parts: list[Found]
    also: list[Found] = field(default_factory=list)

    def passage(self) -> Passage:
        """The parts as one passage, with a mark where one between them is missing."""
        first, *others = (Passage.read(found.id, found.payload) for found in self.parts)
        if first.id == self.id and not others:
            return first
        text, last = first.text, first
        for part in others:
            if part.position == last.position + 1:
                text = join_parts(text, part.text)
            else:
                text = f"{text}\n\n{_GAP}\n\n{part.text}"
            last = part
        return replace(first, id=self.id, text=text, after=last.after)


def merge(
    ranked: Iterable[tuple[float, Found]], limit: int, versions: Sequence[str] = ()
) -> list[Section]:
    """Make the best `limit` sections of passages that come best first.

    Passages with the same text are one; where they are of several versions of the docs, it is the
    one whose version stands first in `versions`. At most three sections are of one page.
    """
    sections: dict[str, Section] = {}
    taken: Counter[str] = Counter()
    for score, found, also in fold(ranked, versions):
        id_ = found.payload.get("section") or found.id
        if section := sections.get(id_):
            if len(section.parts) < _MAX_PARTS:
                section.parts.append(found)
            continue
        if len(sections) == limit:
            break
        page = found.page
        if taken[page] < MAX_PER_PAGE:
            taken[page] += 1
            sections[id_] = Section(id_, score, [found], also)
    for section in sections.values():
        section.parts.sort(key=_position)
    return list(sections.values())


def fold(
    ranked: Iterable[tuple[float, Found]], versions: Sequence[str] = ()
) -> list[tuple[float, Found, list[Found]]]:
    """Make passages of the same text one, in the place of the best, with the others beside it."""
    order = {version: number for number, version in enumerate(versions)}
    groups: list[tuple[float, list[Found]]] = []
    by_text: dict[str, list[Found]] = {}
    by_place: dict[tuple[str, ...], list[list[Found]]] = {}
    for score, found in ranked:
        text = str(found.payload["text"])
        alike = by_place.setdefault((found.payload["title"], *found.payload["headings"]), [])
        group = by_text.get(text) if text.count(" ") >= _MIN_SPACES else None
        if group is None:
            group = next((held for held in alike if _are_nearly_same(held[0], found)), None)
        if group is None:
            group = []
            groups.append((score, group))
            alike.append(group)
        group.append(found)
        by_text.setdefault(text, group)
    folded = []
    for score, group in groups:
        # Stable, so that of several places of one version the best stays.
        kept, *also = sorted(group, key=lambda found: order.get(_version(found), len(order)))
        folded.append((score, kept, also))
    return folded


def _are_nearly_same(one: Found, other: Found) -> bool:
    if one.payload["page"] == other.payload["page"]:
        return False
    shorter, longer = sorted(len(str(found.payload["text"])) for found in (one, other))
    if shorter < _NEARLY**2 * longer:
        # Not to look at every word of parts that a glance tells apart.
        return False
    words, others = _words(one), _words(other)
    common = len(words & others)
    return common >= _NEARLY * (len(words) + len(others) - common)


def _words(found: Found) -> frozenset[str]:
    return frozenset(_WORD.findall(str(found.payload["text"]).lower()))


def _position(found: Found) -> int:
    return int(found.payload.get("position", 0))


def _version(found: Found) -> str:
    return str(found.payload.get("version") or "")
