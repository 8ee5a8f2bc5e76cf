"""Questions with known answers, and the pages of a collection that they mean."""

from collections import defaultdict
from collections.abc import Iterable
from posixpath import normpath
from re import IGNORECASE
from re import compile as pattern
from typing import Annotated, Any, Self
from urllib.parse import unquote, urldefrag, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from chatkit_tools.errors import QuestionsError

_SUFFIX = pattern(r"\.(?:mdx?|markdown|html?)$", IGNORECASE)
_INDEX = pattern(r"(?:^|/)(?:index|readme)$", IGNORECASE)

Text = Annotated[str, Field(min_length=1)]


class Gold(BaseModel):
    """A page that answers a question: a file path, a URL path or a whole URL.

    A plain string is taken too; its fragment is the anchor.
    """

    model_config = ConfigDict(frozen=True)

    path: Text
    anchor: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _take_fragment(cls, data: Any) -> Any:
        if isinstance(data, str):
            data = {"path": data}
        if isinstance(data, dict) and isinstance(data.get("path"), str):
            path, fragment = urldefrag(data["path"])
            anchor = data.get("anchor") or fragment or None
            data = {**data, "path": path.strip(), "anchor": anchor}
        return data

    def __str__(self) -> str:
        return f"{self.path}#{self.anchor}" if self.anchor else self.path


class Question(BaseModel):
    """A line of a file of questions; without `gold` the docs don't answer it."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)

    question: Text
    id: Text
    gold: tuple[Gold, ...] = ()
    corpus: str | None = None
    source: str | None = None
    version: str | None = None
    locale: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _name(cls, data: Any) -> Any:
        if isinstance(data, dict):
            # A question without an id is known by its words, wherever in the file it moves.
            unnamed = {"id": data.get("question", "")} if data.get("id") in (None, "") else {}
            data = {**data, "gold": data.get("gold") or (), **unnamed}
        return data

    @model_validator(mode="after")
    def _ask_something(self) -> Self:
        if not self.question.strip():
            raise ValueError("`question` has no words")
        return self


def read_questions(data: bytes, corpus: str | None = None) -> list[Question]:
    """Read a file of questions, one JSON object a line; of one corpus where it is named.

    Raises `QuestionsError`, which names the line.
    """
    questions: list[Question] = []
    lines: dict[str, int] = {}
    corpora: set[str] = set()
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            question = Question.model_validate_json(line)
        except ValidationError as exc:
            raise QuestionsError(f"line {number}: {_describe(exc)}") from None
        if question.id in lines:
            raise QuestionsError(
                f"line {number} has the id {question.id!r} of line {lines[question.id]};"
                " every question needs an id of its own"
            )
        lines[question.id] = number
        corpora.add(question.corpus or "")
        if corpus is None or question.corpus == corpus:
            questions.append(question)
    if not lines:
        raise QuestionsError("there is no question in it; each line is one, as a JSON object")
    if not questions:
        known = ", ".join(sorted(corpora - {""})) or "none"
        raise QuestionsError(f"no question is of the corpus {corpus!r}; it names: {known}")
    return questions


def _describe(exc: ValidationError) -> str:
    error = exc.errors(include_url=False, include_input=False)[0]
    if error["type"] == "json_invalid":
        return f"not a JSON object: {error['ctx']['error']}"
    where = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


class Places:
    """The pages and headings of a collection, found by what a question calls them."""

    def __init__(self, passages: Iterable[tuple[str, str]]) -> None:
        """Take the document and the address of every passage."""
        self._anchors: dict[str, set[str]] = defaultdict(set)
        named: dict[str, set[str]] = defaultdict(set)
        for document, url in passages:
            page, anchor = split_address(url)
            self._anchors[page].add(anchor)
            named[simplify(document)].add(page)
            named[simplify(page)].add(page)
        self._named = dict(named)
        self._endings: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for name, pages in named.items():
            parts = name.split("/")
            for start in range(1, len(parts)):
                self._endings["/".join(parts[start:])] += [(start, page) for page in pages]

    def __len__(self) -> int:
        return len(self._anchors)

    def find(self, gold: Gold) -> frozenset[str]:
        """Return the pages that a question means, mostly one; raise `LookupError` with a reason.

        What fits a page's file or address whole goes before what is only the end of one, and the
        fewer parts are missing in front, the better: `intro.md` is `/docs/intro` rather than
        `/docs/1.0/intro`.
        """
        name = simplify(gold.path)
        if pages := self._named.get(name):
            return frozenset(pages)
        endings = self._endings.get(name) or []
        fewest = min((missing for missing, _ in endings), default=0)
        found = {page for missing, page in endings if missing == fewest}
        if not found:
            raise LookupError("no such page in the collection")
        if len(found) > 1:
            shown = ", ".join(sorted(found)[:3])
            raise LookupError(f"fits several pages ({shown}); write more of its path")
        return frozenset(found)

    def has_heading(self, pages: Iterable[str], anchor: str) -> bool:
        """Say whether any of these pages has a passage at `anchor`."""
        return any(anchor in self._anchors[page] for page in pages)


def split_address(url: str) -> tuple[str, str]:
    """Return the page's address and the anchor."""
    page, fragment = urldefrag(url)
    return page, unquote(fragment)


def simplify(path: str) -> str:
    """Reduce a path or URL to what stays the same however the page is written.

    That is its path without origin, query, slashes at the ends, suffix, and the name of an index
    page.
    """
    try:
        parts = urlsplit(path)
    except ValueError:  # "http://[", say
        parts = None
    if parts and parts.scheme in ("http", "https") and parts.netloc:
        path = parts.path
    path = unquote(path.partition("?")[0]).replace("\\", "/").strip().strip("/")
    path = normpath(path).lstrip("./") if path else ""
    return _INDEX.sub("", _SUFFIX.sub("", path))
