"""Turns the bytes of a web page into text, whatever it says of its encoding."""

import codecs
import re

from charset_normalizer import from_bytes

from chatkit_tools.errors import RefusedPageError, UnreadablePageError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(
    rb"<meta\b[^>]*?\bcharset\s*=\s*[\"']?\s*([\w.:-]+)|<\?xml\b[^>]*?\bencoding\s*=\s*[\"']([\w.:-]+)",
    re.IGNORECASE,
)
# What a browser takes these names for; Python's own reading is narrower.
_WIDER = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
    "iso8859-9": "cp1254",
}
# Python has other codecs, which unpack or run escapes; a page doesn't choose among those.
_ENCODINGS = re.compile(
    r"utf|iso|latin|windows|cp\d|x-cp|gb|big5|euc|shift|sjis|x-sjis|ms_kanji|ks_c|koi8|mac|x-mac"
    r"|tis|us-ascii|ascii",
    re.IGNORECASE,
)
# Short texts in these are often taken for each other, so the page's own language is asked first.
_LANGUAGE = re.compile(rb"<html\b[^>]*?\blang\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)
_BY_LANGUAGE = {
    "ja": ("cp932", "euc_jp"),
    "ko": ("cp949",),
    "zh-tw": ("big5hkscs",),
    "zh-hant": ("big5hkscs",),
    "zh": ("gb18030",),
    "ru": ("cp1251",),
}
_MARKUP = re.compile(rb"<[^<>]*>")
_GUESSED_BYTES = 100_000


def decode_page(data: bytes, charset: str | None) -> str:
    """Return the text of a page; `charset` is what the server said, if it said anything."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace")
    if b"\0" in data:
        raise RefusedPageError("is binary, not a web page")
    if not data.isascii():
        # Text in another encoding is hardly ever UTF-8 by chance; a wrong declaration is common.
        try:
            return data.decode()
        except UnicodeDecodeError:
            pass
    for name in (charset, _declared(data)):
        if encoding := _codec(name or ""):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                pass
    return data.decode() if data.isascii() else _guess(data)


def _declared(data: bytes) -> str | None:
    found = _DECLARED.search(data, 0, 4096)
    return (found[1] or found[2]).decode() if found else None


def _codec(name: str) -> str:
    """The codec for an encoding's name; "" for one that no page may ask for."""
    if not _ENCODINGS.match(name):
        return ""
    try:
        found = codecs.lookup(name.lower().removeprefix("x-")).name
    except LookupError:
        return ""
    return "" if found == "utf-7" else _WIDER.get(found, found)


def _guess(data: bytes) -> str:
    for encoding in _usual(data):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            pass
    # Tags are ASCII in every encoding and would only speak for the wrong one.
    words = _MARKUP.sub(b" ", data)[:_GUESSED_BYTES]
    best = from_bytes(words).best()
    if best is not None:
        try:
            return data.decode(_WIDER.get(best.encoding, best.encoding))
        except UnicodeDecodeError:
            pass
    raise UnreadablePageError(
        "is in an unknown encoding; save it as UTF-8 or declare it: <meta charset=...>"
    )


def _usual(data: bytes) -> tuple[str, ...]:
    found = _LANGUAGE.search(data, 0, 4096)
    language = found[1].decode().lower() if found else ""
    return _BY_LANGUAGE.get(language) or _BY_LANGUAGE.get(language.split("-")[0]) or ()
