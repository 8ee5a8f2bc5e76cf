"""Reduces MDX, as Docusaurus takes it, to the Markdown that a reader would see."""

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property

_FENCE = re.compile(
    r"^(?P<lead>[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)?)(?P<mark>`{3,}|~{3,})(?P<info>.*)$"
)
_ADMONITION = re.compile(
    r"^(?P<lead>[ \t>]*(?:[-*+][ \t]+)?):{3,}[ \t]*"
    r"(?:(?P<kind>[A-Za-z][\w-]*)[ \t]*(?:\[(?P<label>.*)\])?(?P<rest>.*))?$"
)
_ESM = re.compile(
    r"^(?:import\s+(?:['\"{*]|[\w$]+\s*(?:,|from\b))"
    r"|export\s+(?:(?:const|let|var|function|default|class|async)\b|\{|\*))"
)
_HEADING_ID = re.compile(r"\{/\*\s*#(?P<id>[^\s*]+)\s*\*/\}[ \t]*$")
_HEADING = re.compile(r"^[ \t>]*#{1,6}[ \t]")
_DOCBLOCK = re.compile(r"!?\[[^\[\]]*\]\(docblock://[^()\s]*\)")
_INTEREST = re.compile(r"\\.|`+|<!--|\{/\*|\{\s*(?P<quote>['\"])|</?[A-Za-z]|</?>", re.DOTALL)
_TAG_NAME = re.compile(r"</?([A-Za-z][\w.:-]*)")
_ATTRIBUTE = r"""\b%s\s*=\s*\{?\s*(?:"([^"]*)"|'([^']*)'|`([^`]*)`)"""
_QUOTE_ENDS = {quote: re.compile(quote + r"\s*\}") for quote in "'\""}
_CLOSING_TAG = re.compile(r"</([A-Za-z][\w.:-]*)>")
_TAG_MARK = re.compile(r"[\"'`{}<>]")
_REST_OF_LINE = re.compile(r"[^\S\n]*+(?:\n|\Z)")
_BLANK_LINE = re.compile(r"\n(?=[ \t]*\n)")
# A tag may be this long. After so many characters that were looked through for the ends of tags
# that have none, only short ones are looked for.
_MAX_TAG = 20_000
_SHORT_TAG = 100
_PATIENCE = 2_000_000

# Elements whose content is no text of the page.
_SILENT = frozenset({"head", "script", "style", "iframe", "svg", "title"})
# Other small letters in angle brackets are a placeholder, `<your-key>`, unless closed somewhere.
_HTML = _SILENT | set(
    """
    a abbr audio b big blockquote body br button caption center cite code col colgroup dd del
    details dfn div dl dt em embed fieldset figcaption figure font footer form h1 h2 h3 h4 h5 h6
    header hr html i img input ins kbd label legend li link main mark meta nav object ol optgroup
    option p path picture pre q s samp section select small source span strike strong sub summary
    sup table tbody td textarea tfoot th thead time tr tt u ul var video
    """.split()  # noqa: SIM905 - one word a line would hide the list's sense
)
_SPACED = frozenset({"br", "td", "th", "tr", "li", "p", "div", "option", "summary", "dt", "dd"})


def reduce_markup(text: str) -> str:
    """Return Markdown without imports, comments and tags; code blocks stay as they are.

    Admonitions and tabs leave their text and their titles behind. The `{/* #id */}` of a heading
    becomes `{#id}`.
    """
    parts: list[str] = []
    run: list[str] = []

    def end_run() -> None:
        if run:
            parts.append(_reduce_text("\n".join(run)))
            run.clear()

    for is_code, line in _classify(text.split("\n")):
        if is_code:
            end_run()
            parts.append(line)
        else:
            run.append(line)
    end_run()
    return "\n".join(parts)


def _classify(lines: list[str]) -> Iterator[tuple[bool, str]]:
    """Tell lines of code blocks from lines of text, without module code and admonition marks."""
    position = 0
    after_blank = True
    # From where on there is no end of a comment, so that it is looked for in vain but once.
    endless: dict[str, int] = {}
    while position < len(lines):
        line = lines[position]
        fence = _FENCE.match(line)
        if fence and not (fence["mark"][0] == "`" and "`" in fence["info"]):
            end = _fence_end(lines, position, fence["mark"])
            if fence["info"].strip().startswith("mdx-code-block"):
                # Its content is MDX like the rest, fenced only to hide it from other renderers.
                yield from _classify([line.lstrip() for line in lines[position + 1 : end]])
                yield False, ""
            else:
                for code in lines[position : end + 1]:
                    yield True, code
            position = end + 1
            after_blank = False
            continue
        if _opens_comment(line):
            # Taken whole, so that a fence within a comment opens nothing.
            end = _comment_end(lines, position, endless)
            yield False, "\n".join(lines[position : end + 1])
            position = end + 1
            after_blank = False
            continue
        if after_blank and _ESM.match(line):
            position = _module_end(lines, position)
            continue
        if admonition := _ADMONITION.match(line):
            title = (admonition["label"] or admonition["rest"] or "").strip()
            yield False, ""
            if title:
                yield False, f"{admonition['lead']}**{title}**"
                yield False, ""
            after_blank = True
        else:
            yield False, line
            after_blank = not line.strip()
        position += 1


def _fence_end(lines: list[str], start: int, mark: str) -> int:
    closing = re.compile(rf"^[ \t>]*{re.escape(mark[0])}{{{len(mark)},}}[ \t]*$")
    for position in range(start + 1, len(lines)):
        if closing.match(lines[position]):
            return position
    return len(lines) - 1


def _opens_comment(line: str) -> bool:
    stripped = line.lstrip(" \t>")
    return (stripped.startswith("<!--") and "-->" not in stripped) or (
        stripped.startswith("{/*") and "*/" not in stripped
    )


def _comment_end(lines: list[str], start: int, endless: dict[str, int]) -> int:
    closing = "-->" if "<!--" in lines[start] else "*/"
    if start < endless.get(closing, len(lines)):
        for position in range(start + 1, len(lines)):
            if closing in lines[position]:
                return position
        endless[closing] = start
    return start


def _module_end(lines: list[str], start: int) -> int:
    """The line after an import or export, which may hold blank lines between its brackets."""
    depth = 0
    for position in range(start, len(lines)):
        line = lines[position]
        depth += sum(map(line.count, "([{")) - sum(map(line.count, ")]}"))
        last = position + 1 == len(lines)
        if depth <= 0 and (last or not lines[position + 1].strip()):
            return position + 1
        if depth <= 0 and not last and not _ESM.match(lines[position + 1]):
            following = lines[position + 1]
            if _HEADING.match(following) or following.lstrip().startswith("<"):
                return position + 1
    return start + 1


def _reduce_text(text: str) -> str:
    if "docblock://" in text:
        text = _DOCBLOCK.sub("", text)
    if "{/*" in text:
        text = "\n".join(
            _HEADING_ID.sub(r"{#\g<id>}", line) if _HEADING.match(line) else line
            for line in text.split("\n")
        )
    return _Reduction(text).run()


class _Reduction:
    """Goes through a text once, and remembers what it looked for in vain."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._endless: set[str] = set()
        self._patience = _PATIENCE

    def run(self) -> str:
        text = self._text
        out: list[str] = []
        position = 0
        while found := _INTEREST.search(text, position):
            out.append(text[position : found.start()])
            mark = found.group()
            end = found.end()
            if mark[0] == "`":
                end = self._code_end(end, len(mark))
                out.append(text[found.start() : end])
            elif mark == "<!--":
                end = self._after("-->", end)
            elif mark == "{/*":
                end = self._after("*/}", end)
            elif mark[0] == "{":
                shown, end = self._quoted(found["quote"], found)
                out.append(shown)
            elif mark[0] == "\\":
                out.append(mark)
            elif mark not in ("<>", "</>"):
                shown, end = self._reduce_tag(found.start())
                out.append(shown)
            position = end
        out.append(text[position:])
        return "".join(out)

    def _after(self, closing: str, start: int) -> int:
        if closing not in self._endless:
            end = self._text.find(closing, start)
            if end >= 0:
                return end + len(closing)
            self._endless.add(closing)
        return start

    def _quoted(self, quote: str, opening: re.Match[str]) -> tuple[str, int]:
        """Return what `{"..."}` shows, or the brace that opened nothing."""
        if quote not in self._endless:
            if closing := _QUOTE_ENDS[quote].search(self._text, opening.end()):
                return self._text[opening.end() : closing.start()], closing.end()
            self._endless.add(quote)
        return "{", opening.start() + 1

    def _code_end(self, start: int, length: int) -> int:
        """The end of the code span that so many backticks opened, `start` if they opened none."""
        blank = bisect_left(self._blank_lines, start)
        limit = self._blank_lines[blank] if blank < len(self._blank_lines) else len(self._text)
        runs = self._backticks.get(length, [])
        closing = bisect_left(runs, start)
        found = closing < len(runs) and runs[closing] < limit
        return runs[closing] + length if found else start

    @cached_property
    def _blank_lines(self) -> list[int]:
        return [found.start() for found in _BLANK_LINE.finditer(self._text)]

    @cached_property
    def _backticks(self) -> dict[int, list[int]]:
        runs: dict[int, list[int]] = {}
        for found in re.finditer("`+", self._text):
            runs.setdefault(len(found.group()), []).append(found.start())
        return runs

    @cached_property
    def _closed(self) -> set[str]:
        """The names of the elements that are closed anywhere."""
        return set(_CLOSING_TAG.findall(self._text))

    def _reduce_tag(self, start: int) -> tuple[str, int]:
        text = self._text
        name_match = _TAG_NAME.match(text, start)
        assert name_match  # noqa: S101 - the caller saw `<` and a letter
        name = name_match.group(1)
        is_element = name[0].isupper() or name in _HTML or ("-" in name and name in self._closed)
        end = self._tag_end(name_match.end()) if is_element else None
        if end is None:
            return name_match.group(), name_match.end()
        tag = text[start:end]
        closes = tag.startswith("</")
        if name in _SILENT and not closes and not tag.endswith("/>"):
            return "", self._after(f"</{name}>", end)
        if name == "TabItem" and not closes:
            label = _attribute(tag, "label") or _attribute(tag, "value")
            return (f"**{label}**" if label else ""), end
        if name == "img":
            return _attribute(tag, "alt"), end
        return (" " if name in _SPACED and not _alone(text, start, end) else ""), end

    def _tag_end(self, start: int) -> int | None:
        """The position after the `>` that ends a tag, past quotes and braces in its attributes."""
        limit = start + (_MAX_TAG if self._patience > 0 else _SHORT_TAG)
        depth = 0
        quote = ""
        for found in _TAG_MARK.finditer(self._text, start, limit):
            char = found.group()
            if quote:
                if char == quote:
                    quote = ""
            elif char in "\"'" or (char == "`" and depth):
                quote = char
            elif char == "{":
                depth += 1
            elif char == "}":
                depth -= 1
            elif char == ">" and depth <= 0:
                return found.end()
            elif char == "<" and depth <= 0:
                return None
        self._patience -= limit - start
        return None


def _attribute(tag: str, name: str) -> str:
    found = re.search(_ATTRIBUTE % name, tag)
    return next((value for value in found.groups() if value), "") if found else ""


def _alone(text: str, start: int, end: int) -> bool:
    """Whether nothing else stands in the line; read outwards, since a line may be the page."""
    while start and text[start - 1] != "\n" and text[start - 1].isspace():
        start -= 1
    return (not start or text[start - 1] == "\n") and bool(_REST_OF_LINE.match(text, end))
