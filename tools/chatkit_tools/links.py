"""Makes the links within a page hold when its text is quoted somewhere else."""

import re
from collections.abc import Mapping
from posixpath import dirname, join, normpath
from urllib.parse import unquote, urljoin

_CODE_OR_LINK = re.compile(
    # A block that nothing closes goes to the end, as Markdown has it: otherwise each of many would
    # be followed to the end in vain.
    r"(?P<code>^[ \t>]*+(?:(?:[-*+]|\d{1,9}[.)])[ \t]++)*+(?P<fence>`{3,}+(?=[^`\n]*$)|~{3,}+)"
    r".*?(?:^[ \t>]*+(?P=fence)[`~]*+[ \t]*+$|\Z)"
    r"|(?<!`)(?P<ticks>`++)[^\n]*?(?<!`)(?P=ticks)(?!`))"
    r"|!\[(?P<alt>(?:\\.|[^\[\]\\])*)\]\((?:[^()\n]|\([^()\n]*\))*\)"
    r"|\]\((?P<target><[^<>\n]*>|[^()\s<]*(?:\([^()\s]*\)[^()\s]*)*)(?P<title>\s+(?:\"[^\"]*\"|'[^']*'))?\)",
    re.DOTALL | re.MULTILINE,
)
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:|^//")


def resolve_links(text: str, *, path: str, url: str, urls: Mapping[str, str]) -> str:
    """Turn links to files and relative links into addresses, and images into what they show.

    `path` and `url` are the page's own, `urls` has the address of every file.
    """

    def replace(found: re.Match[str]) -> str:
        if found["code"] is not None:
            return found[0]
        if found["alt"] is not None:
            return found["alt"]
        target = found["target"].strip("<>")
        return f"]({_resolve(target, path, url, urls)}{found['title'] or ''})"

    return _CODE_OR_LINK.sub(replace, text)


def _resolve(target: str, path: str, url: str, urls: Mapping[str, str]) -> str:
    if not target or _SCHEME.match(target):
        return target
    place, mark, anchor = target.partition("#")
    if place.endswith((".md", ".mdx")):
        file = unquote(place).removeprefix("@site/docs/")
        for candidate in (normpath(join(dirname(path), file)), normpath(file.lstrip("/"))):
            if candidate in urls:
                return urls[candidate] + mark + anchor
    try:
        return urljoin(url, target)
    except ValueError:
        # Not an address at all, such as ` //[x`.
        return target
