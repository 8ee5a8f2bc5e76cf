"""Reduces MDX, as Docusaurus takes it, to the Markdown that a reader would see."""

import re
from collections.abc import Iterator

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
_DOCBLOCK = re.compile(r"!?\[[^\]]*\]\(docblock://[^)]*\)")
_INTEREST = re.compile(
    r"\\.|`+|<!--|\{/\*|\{\s*(['\"])(?P<quoted>.*?)\1\s*\}|</?[A-Za-z]|</?>", re.DOTALL
)
_TAG_NAME = re.compile(r"</?([A-Za-z][\w.:-]*)")
_ATTRIBUTE = r"""\b%s\s*=\s*\{?\s*(?:"([^"]*)"|'([^']*)'|`([^`]*)`)"""
_BLANK_LINE = re.compile(r"\n[ \t]*\n")

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
            end = _comment_end(lines, position)
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


def _comment_end(lines: list[str], start: int) -> int:
    closing = "-->" if "<!--" in lines[start] else "*/"
    for position in range(start + 1, len(lines)):
        if closing in lines[position]:
            return position
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
    out: list[str] = []
    position = 0
    while found := _INTEREST.search(text, position):
        out.append(text[position : found.start()])
        mark = found.group()
        if mark[0] == "`":
            end = _code_end(text, found.end(), mark)
            out.append(text[found.start() : end])
        elif mark == "<!--":
            end = _after(text, "-->", found.end())
        elif mark == "{/*":
            end = _after(text, "*/}", found.end())
        elif mark[0] == "{":
            out.append(found["quoted"])
            end = found.end()
        elif mark[0] == "\\":
            out.append(mark)
            end = found.end()
        elif mark in ("<>", "</>"):
            end = found.end()
        else:
            shown, end = _reduce_tag(text, found.start())
            out.append(shown)
        position = end
    out.append(text[position:])
    return "".join(out)


def _after(text: str, closing: str, start: int) -> int:
    end = text.find(closing, start)
    return end + len(closing) if end >= 0 else start


def _code_end(text: str, start: int, mark: str) -> int:
    """The end of the code span that `mark` opened, or of the mark where it opened none."""
    blank = _BLANK_LINE.search(text, start)
    limit = blank.start() if blank else len(text)
    for closing in re.finditer("`+", text[start:limit]):
        if closing.group() == mark:
            return start + closing.end()
    return start


def _reduce_tag(text: str, start: int) -> tuple[str, int]:
    name_match = _TAG_NAME.match(text, start)
    assert name_match  # noqa: S101 - the caller saw `<` and a letter
    name = name_match.group(1)
    end = _tag_end(text, name_match.end())
    is_element = name[0].isupper() or name in _HTML or ("-" in name and f"</{name}>" in text)
    if end is None or not is_element:
        return name_match.group(), name_match.end()
    tag = text[start:end]
    closes = tag.startswith("</")
    if name in _SILENT and not closes and not tag.endswith("/>"):
        return "", _after(text, f"</{name}>", end)
    if name == "TabItem" and not closes:
        label = _attribute(tag, "label") or _attribute(tag, "value")
        return (f"**{label}**" if label else ""), end
    if name == "img":
        return _attribute(tag, "alt"), end
    return (" " if name in _SPACED and not _alone(text, start, end) else ""), end


def _tag_end(text: str, start: int) -> int | None:
    """The position after the `>` that ends a tag, past quotes and braces in its attributes."""
    depth = 0
    quote = ""
    for position in range(start, min(len(text), start + 20_000)):
        char = text[position]
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
            return position + 1
        elif char == "<" and depth <= 0:
            return None
    return None


def _attribute(tag: str, name: str) -> str:
    found = re.search(_ATTRIBUTE % name, tag)
    return next((value for value in found.groups() if value), "") if found else ""


def _alone(text: str, start: int, end: int) -> bool:
    before = text[text.rfind("\n", 0, start) + 1 : start]
    newline = text.find("\n", end)
    return not before.strip() and not text[end : newline if newline >= 0 else len(text)].strip()
