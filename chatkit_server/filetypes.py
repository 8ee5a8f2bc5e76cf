"""What a file is, by its content, and what it may be called; both are only claimed by clients."""

from __future__ import annotations

import codecs
import unicodedata
from typing import IO, Literal

FileType = Literal["image/png", "image/jpeg", "image/gif", "image/webp", "text/plain"]
"""HTML, SVG and everything else that is UTF-8 is `text/plain` here, and never anything else."""

TYPES: tuple[FileType, ...] = ("image/png", "image/jpeg", "image/gif", "image/webp", "text/plain")
_HEAD = 16
_CHUNK = 65_536
_LONGEST_NAME = 200


def file_type(content: IO[bytes]) -> FileType | None:
    """The type of a file, None for one that is none of ours; reads it to its end."""
    content.seek(0)
    image = image_type(content.read(_HEAD))
    if image is not None:
        return image
    content.seek(0)
    return "text/plain" if _is_text(content) else None


def image_type(head: bytes) -> FileType | None:
    """The type of an image that begins with these 12 or more bytes."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    return None


def _is_text(content: IO[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := content.read(_CHUNK):
            # No text has one, and UTF-16 and most binary files do.
            if "\0" in decoder.decode(chunk):
                return False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def plain_name(name: str) -> str:
    """A file's name without folders, and without what could fool a reader or end a header."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(char for char in last if unicodedata.category(char)[0] != "C")
    return unicodedata.normalize("NFC", kept).strip()[:_LONGEST_NAME].strip() or "file"
