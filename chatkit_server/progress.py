"""How far a command is: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

Progress = Callable[[int, int | None], None]
"""Is told how much is done, and of how much, where that is known."""

_EVERY = 10.0


@contextmanager
def showing(
    wanted: bool, what: str = "pages", *, doing: str = "Indexing"
) -> Iterator[Progress | None]:
    """Show it on standard error until the block ends; None where that is not wanted."""
    if not wanted:
        yield None
        return
    started = time.monotonic()
    if not sys.stderr.isatty():
        said = started

        def say(done: int, total: int | None) -> None:
            nonlocal said
            now = time.monotonic()
            if now - said >= _EVERY:
                said = now
                line = _line(done, total, now - started, what)
                click.echo(f"{doing.lower()}: {line}", err=True)

        yield say
        return
    with click.progressbar(
        length=1, label=doing, file=sys.stderr, show_pos=True, show_eta=True
    ) as bar:

        def draw(done: int, total: int | None) -> None:
            bar.length = max(total or 0, done + (total is None), 1)
            rate = done / max(time.monotonic() - started, 0.001)
            bar.label = f"{doing}, {rate:,.0f} {what}/s"
            bar.update(done - bar.pos)

        yield draw


def _line(done: int, total: int | None, seconds: float, what: str) -> str:
    rate = done / seconds
    if total is None:
        return f"{done:,} {what}, {rate:,.1f} {what}/s"
    left = max(total - done, 0) / rate if rate else 0.0
    return f"{done:,} of {total:,} {what}, {rate:,.1f} {what}/s, {left:,.0f} s left"
