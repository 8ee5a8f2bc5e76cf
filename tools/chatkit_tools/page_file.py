"""Reads the file of a page, unless it is none or too big."""

import stat
from pathlib import Path

from chatkit_tools.errors import RefusedPageError, UnreadablePageError

MAX_PAGE_BYTES = 10_000_000


def check_size(size: int) -> None:
    """Refuse a page that is too big, by its number of bytes."""
    if size > MAX_PAGE_BYTES:
        raise RefusedPageError(
            f"has {size / 1e6:.0f} MB; the limit is {MAX_PAGE_BYTES / 1e6:.0f} MB"
        )


def read_page_file(file: Path) -> bytes:
    """Return the bytes of a page's file.

    Raises:
        RefusedPageError: it is no file, too big, or has a name that is no text.
        UnreadablePageError: it can't be read.
    """
    try:
        str(file).encode()
    except UnicodeEncodeError as exc:
        # An address can't be made of it.
        raise RefusedPageError("has a name that is not UTF-8") from exc
    try:
        found = file.stat()
        # To open a pipe would be to wait for whoever writes into it.
        if not stat.S_ISREG(found.st_mode):
            raise RefusedPageError("is no file")
        check_size(found.st_size)
        return file.read_bytes()
    except OSError as exc:
        raise UnreadablePageError(exc.strerror or str(exc)) from exc
