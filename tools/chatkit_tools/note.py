"""What holds for a whole collection of ours, and which of its passages are seen.

The state of a collection is a number, its generation. A passage says with which one it was born
and, once it is replaced or gone, with which one it died. An index run writes under the next
generation, which nobody sees yet, and then changes the number: whoever searches sees the state
before or the state after, and after a run that broke off the state before.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

# Raised when stored points need another form; collections of an older one are written anew.
FORMAT = 5

Filter = dict[str, Any]
"""A filter as Qdrant's REST interface writes it."""


@dataclass(frozen=True, slots=True)
class Writer:
    """The index run that writes, so that a second one keeps away."""

    id: str
    host: str
    pid: int
    at: float
    """When it was last alive, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Note:
    """Kept in a point of its own that no query for passages finds."""

    language: str
    mean_length: float
    """Of the passages, in the words that weigh anything, as their lexical weights were made."""
    generation: int = 0
    complete: bool = True
    """Whether all lexical weights were made with this language and length."""
    model: str | None = None
    """Of the dense vectors; None where there are none."""
    versions: tuple[str, ...] = ()
    """The versions of the docs, the latest one first."""
    locales: tuple[str, ...] = ()
    """The languages of the docs, the site's default first."""
    indexed_at: str = ""
    """When the generation began, as ISO 8601 in UTC."""
    writer: Writer | None = None
    last_writer: str = ""
    """The run that wrote last, which may be over or have broken off."""
    format: int = field(default=FORMAT)

    @classmethod
    def read(cls, payload: Mapping[str, Any]) -> Self:
        """Read what `asdict` wrote; of other formats only what is known here."""
        known = {entry.name for entry in fields(cls)}
        values: dict[str, Any] = {key: payload[key] for key in payload if key in known}
        values |= {key: tuple(values.get(key) or ()) for key in ("versions", "locales")}
        if writer := values.get("writer"):
            values["writer"] = Writer(**writer)
        return cls(**{"language": "", "mean_length": 1.0, **values})

    def payload(self) -> dict[str, Any]:
        """Return what `read` reads."""
        return asdict(self)

    def visible(self) -> Filter:
        """The filter for what is seen of this state."""
        return {
            "must": [{"key": "born", "range": {"lte": self.generation}}],
            "must_not": [{"key": "died", "range": {"lte": self.generation}}],
        }

    def scope(self, version: str | None, locale: str | None) -> Filter:
        """The filter for what is seen of one version and one language.

        None and what the docs don't have mean the first of `versions` and `locales`, "*" means all.
        Pages that belong to no version, or whose language is not known, are always among them.
        """
        found = self.visible()
        for key, wanted, known in (
            ("version", version, self.versions),
            ("locale", locale, self.locales),
        ):
            if wanted == "*" or len(known) < 2:
                continue
            value = wanted if wanted in known else known[0]
            found["must"].append({"key": key, "match": {"any": [value, ""]}})
        return found
