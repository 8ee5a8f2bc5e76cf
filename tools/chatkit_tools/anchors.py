"""Makes the ids that Docusaurus gives to headings."""

import re
import unicodedata

# Of a run of spaces only the first begins a match, or many would be tried over and over.
_CUSTOM_ID = re.compile(r"(?<!\s)\s*\{#(?P<id>[^{}]*)\}\s*$")
# The general categories that a heading's id keeps: letters, marks, digits and connectors.
_KEPT = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "Pc"})


class Anchors:
    """The ids of one page's headings, each given out once."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def add(self, heading: str) -> str:
        """Return the id for a heading's plain text."""
        wanted = slugify(heading)
        anchor = wanted
        while anchor in self._seen:
            self._seen[wanted] += 1
            anchor = f"{wanted}-{self._seen[wanted]}"
        self._seen[anchor] = 0
        return anchor


def slugify(text: str) -> str:
    """Reduce a heading to an id, letter case, punctuation and all, as GitHub does."""
    return "".join(
        "-" if char == " " else char
        for char in text.lower()
        if char in "- " or unicodedata.category(char) in _KEPT
    )


def split_custom_id(heading: str) -> tuple[str, str | None]:
    """Take the `{#id}` off a heading's Markdown; the id may be empty, None says that none is."""
    found = _CUSTOM_ID.search(heading)
    if not found:
        return heading, None
    return heading[: found.start()], found["id"].strip()
