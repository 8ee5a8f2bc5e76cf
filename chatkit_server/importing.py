"""The command that takes chats in from a file of lines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .command import Failure, plain, run, settings_for
from .progress import Progress, showing

if TYPE_CHECKING:
    from chatkit_stores import PostgresStore
    from chatkit_stores.intake import Problem, Taken
    from chatkit_stores.lines import Line

_BATCH = 200
_BATCH_BYTES = 4_000_000
_NAMED = 20
_LONGEST = 64_000_000


@click.command("import", short_help="Take chats in from a file of JSON lines.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only check the lines; nothing is written.")
@click.option(
    "--keep-good", is_flag=True, help="Take the good lines in where others are bad, and not none."
)
@click.option("--undelete", is_flag=True, help="Bring back what was deleted here since the export.")
@click.option(
    "--issuer",
    help="Every `user_id` in the file is the `sub` of tokens by this issuer, and becomes our id.",
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
def import_threads(
    file: Path, dry_run: bool, keep_good: bool, undelete: bool, issuer: str | None, quiet: bool
) -> None:
    """Take chats in from a file of JSON lines: an export, or made from another store.

    \b
    Ids, owners and times stay as they are. What is there already is left as it is: a run that broke
    off can be started again. All lines are checked before the first is written.
    """
    if not file.is_file():
        raise Failure(f"{str(file)!r} is a pipe, and is read twice: write it to a file first")
    settings = settings_for()

    async def work() -> tuple[Taken, list[Problem], bool]:
        from .storage import open_store

        async with open_store(settings) as store:
            reading = _Reading(file, issuer, undelete)
            with showing(not quiet, "bytes", doing="Checking") as progress:
                await reading.check(store, progress)
            write = not dry_run and (keep_good or not reading.problems)
            if write:
                with showing(not quiet, "bytes", doing="Importing") as progress:
                    await reading.take(store, progress)
            return reading.taken, reading.problems, write

    taken, problems, wrote = run(work)
    for problem in problems[:_NAMED]:
        click.echo(plain(str(problem)), err=True)
    if len(problems) > _NAMED:
        click.echo(f"… and {len(problems) - _NAMED:,} more lines", err=True)
    if wrote:
        click.echo(
            f"{taken.threads:,} chats, {taken.items:,} items and {taken.attachments:,} attachments "
            f"were imported; {taken.present:,} lines were here already or are deleted here."
        )
    elif not problems:
        click.echo("All lines are good. Nothing was written.")
    if problems:
        hint = "" if wrote or dry_run else "; --keep-good takes the others in"
        raise Failure(
            f"{len(problems):,} lines are bad, and "
            f"{'were left out' if wrote else f'nothing was written{hint}'}"
        )


class _Reading:
    """One file, read twice: all lines are checked before the first is taken."""

    def __init__(self, file: Path, issuer: str | None, undelete: bool) -> None:
        from chatkit_stores.intake import Taken

        self._file = file
        self._issuer = issuer
        self._undelete = undelete
        self._bad: set[int] = set()
        self.problems: list[Problem] = []
        self.taken = Taken()

    async def check(self, store: PostgresStore, progress: Progress | None) -> None:
        from chatkit_stores.intake import Known

        known = Known()
        for lines in self._batches(progress):
            _, problems = await store.check_lines(
                lines, known, undelete=self._undelete, owner=self._owner
            )
            self.problems += problems
            self._bad.update(problem.line for problem in problems)

    async def take(self, store: PostgresStore, progress: Progress | None) -> None:
        from chatkit_stores.intake import Known
        from chatkit_stores.lines import read_line

        known = Known()
        for lines in self._batches(progress):
            good: list[Line] = [
                read_line(text, self._owner) for number, text in lines if number not in self._bad
            ]
            self.taken.add(await store.take_lines(good, known, undelete=self._undelete))

    def _owner(self, user_id: str) -> str:
        if self._issuer is None:
            return user_id
        from .identity import token_user

        return token_user(self._issuer, user_id)

    def _batches(self, progress: Progress | None) -> Iterator[list[tuple[int, bytes]]]:
        try:
            with self._file.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                lines = _numbered(file)
                while batch := _batch(lines):
                    yield [(number, text) for number, text in batch if text.strip()]
                    if progress is not None:
                        progress(file.tell(), size)
        except OSError as error:
            raise Failure(f"{str(self._file)!r} can't be read: {error.strerror}") from None


def _batch(lines: Iterator[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """The next lines: one flight takes them, which must not be long."""
    batch: list[tuple[int, bytes]] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line[1])
        if len(batch) == _BATCH or size >= _BATCH_BYTES:
            break
    return batch


def _numbered(file: Any) -> Iterator[tuple[int, bytes]]:
    number = 0
    while text := file.readline(_LONGEST):
        number += 1
        yield number, text
        if len(text) == _LONGEST and not text.endswith(b"\n"):
            raise Failure(
                f"line {number} is longer than {_LONGEST:,} bytes; is it a file of lines?"
            )
