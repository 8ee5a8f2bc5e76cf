"""The commands that show, export and delete chats."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from .command import Failure, plain, run, settings_for
from .importing import import_threads
from .progress import showing
from .settings import Settings

if TYPE_CHECKING:
    from chatkit_stores import PostgresStore, Selection

F = TypeVar("F", bound=Callable[..., Any])

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_TITLE = 60


def _read_age(_: click.Context, __: click.Parameter, value: str | None) -> timedelta | None:
    if value is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", value)
    if found is None:
        raise click.BadParameter(f"{value!r} is no age; write it like 90d, 12w or 36h")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@click.group()
def threads() -> None:
    """Show, export, delete and import chats.

    \b
    --user, --thread and --older-than narrow down which; what fits all of them is meant.
    """


threads.add_command(import_threads)


def _selecting(command: F) -> F:
    for option in (
        click.option(
            "--older-than",
            callback=_read_age,
            metavar="AGE",
            help="Chats that nobody has used for so long, such as 90d, 12w or 36h.",
        ),
        click.option("--thread", "thread_ids", multiple=True, help="The id of a chat; repeatable."),
        click.option("--subject", help="`sub` of tokens by CHATKIT_JWT_ISSUER, instead of --user."),
        click.option("--user", "user_id", help="The id of a user, as `threads show` lists it."),
    ):
        command = option(command)
    return command


def _deleting(command: F) -> F:
    for option in (
        click.option("--quiet", is_flag=True, help="Show no progress."),
        click.option("--yes", is_flag=True, help="Don't ask."),
        click.option("--dry-run", is_flag=True, help="Only say how many chats would be deleted."),
    ):
        command = option(command)
    return _selecting(command)


def _selection(
    settings: Settings,
    user_id: str | None,
    subject: str | None,
    thread_ids: tuple[str, ...],
    older_than: timedelta | None,
) -> Selection:
    from chatkit_stores import Selection

    from .identity import token_user

    if user_id == "":
        raise Failure("--user is empty; name a user as `threads show` lists them")
    if subject is not None:
        if user_id is not None:
            raise Failure("name the user by --user or by --subject, not by both")
        if settings.jwt_issuer is None:
            raise Failure("--subject needs CHATKIT_JWT_ISSUER, whose tokens name the user so")
        user_id = token_user(settings.jwt_issuer, subject)
    return Selection(user_id, thread_ids or None, older_than)


@threads.command(short_help="List chats, or print one of them.")
@_selecting
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many."
)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def show(
    user_id: str | None,
    subject: str | None,
    thread_ids: tuple[str, ...],
    older_than: timedelta | None,
    limit: int,
    as_json: bool,
) -> None:
    """List chats: when they were made and used last, whose, and how long.

    With a single --thread, what was said in it.
    """
    settings = settings_for()
    selection = _selection(settings, user_id, subject, thread_ids, older_than)

    async def work() -> tuple[Any, list[Any], bool, list[str]]:
        from chatkit_stores import Selection

        from .storage import open_store

        async with open_store(settings) as store:
            found: list[str] = []
            async for some in store.find_threads(selection):
                found += some
                if len(found) > limit:
                    break
            summaries = await store.load_summaries(found[:limit])
            said = []
            if len(thread_ids) == 1 and not as_json:
                async for piece in store.dump_threads(selection):
                    # Not by `splitlines`: what people write has more kinds of ends than JSON.
                    lines = filter(None, piece.lines.split("\n"))
                    said += [line for text in lines for line in _said(text)]
            # Only who looks at all of them waits until all are counted.
            narrowed = as_json or selection != Selection()
            count = None if narrowed else await store.count_threads()
            return count, summaries, len(found) > limit, said

    count, summaries, more, said = run(work)
    if as_json:
        found = [
            {
                "id": one.id,
                "user_id": one.user_id,
                "created_at": one.created_at.isoformat(),
                "used_at": one.used_at.isoformat(),
                "title": one.title,
                "items": one.items,
            }
            for one in summaries
        ]
        click.echo(json.dumps(found, indent=2))
        return
    for one in summaries:
        title = plain(one.title or "Untitled")[:_TITLE]
        click.echo(
            f"{one.id}  {one.created_at:%Y-%m-%d} … {one.used_at:%Y-%m-%d}  "
            f"{one.items:4} items  {plain(one.user_id)}  {title}"
        )
    for line in said:
        click.echo(line)
    if not said:
        rest = "; --limit shows more" if more else ""
        if count is not None:
            oldest = f", the oldest of {count.oldest:%Y-%m-%d}" if count.oldest else ""
            rest = f"; there are {count.threads:,} chats of {count.users:,} users{oldest}"
        click.echo(f"{len(summaries)} shown{rest}.")


def _said(line: str) -> list[str]:
    """What a line of a dump says to people."""
    item = json.loads(line).get("item")
    if item is None:
        return []
    parts = item.get("content")
    found = parts if isinstance(parts, list) else []
    texts = [part.get("text", "") for part in found if isinstance(part, dict)]
    said = [plain(text) for part in texts for text in str(part).splitlines()]
    return ["", f"[{plain(item['type'])}, {plain(item['created_at'])}]", *said]


@threads.command(short_help="Write chats as lines of JSON.")
@_selecting
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file for the lines.  [default: standard output]",
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
def export(
    user_id: str | None,
    subject: str | None,
    thread_ids: tuple[str, ...],
    older_than: timedelta | None,
    output: Path | None,
    quiet: bool,
) -> None:
    """Write chats as lines of JSON: the chats, their items with verdicts, and what files they have.

    `threads import` takes them in again. The bytes of files are not among them.
    """
    settings = settings_for()
    selection = _selection(settings, user_id, subject, thread_ids, older_than)

    async def work() -> int:
        from .storage import open_store

        count = 0
        async with open_store(settings) as store:
            with (
                _writing(output) as file,
                showing(not quiet, "chats", doing="Exporting") as progress,
            ):
                async for piece in store.dump_threads(selection):
                    file.write(piece.lines)
                    count += piece.begins
                    if progress is not None:
                        progress(count, None)
        return count

    count = run(work)
    click.echo(f"{count:,} chats were exported.", err=True)


@contextmanager
def _writing(output: Path | None) -> Iterator[IO[str]]:
    """The file, for its owner's eyes, and whole or not at all; standard output without one."""
    # A pipe or a device is written to, and stays what it is.
    special = output is not None and output.exists() and not output.is_file()
    part = Path(f"{output}.part") if output is not None and not special else None
    try:
        if part is None or output is None:
            # In UTF-8, whatever the terminal takes: a dump is read again.
            out = os.open(output, os.O_WRONLY) if output else os.dup(sys.stdout.fileno())
            with os.fdopen(out, "w", encoding="utf-8") as file:
                yield file
            return
        # Anew, so that nobody holds it open who may not read it.
        part.unlink(missing_ok=True)
        try:
            opened = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(opened, "w", encoding="utf-8") as file:
                yield file
            part.replace(output)
        except BaseException:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise
    except ConnectionError:
        # Of the database, or of who reads what we write.
        raise
    except OSError as error:
        shown = repr(str(output)) if output is not None else "standard output"
        raise Failure(f"{shown} can't be written: {error.strerror}") from None


@threads.command(short_help="Delete chats of a user, or single ones.")
@_deleting
def delete(
    user_id: str | None,
    subject: str | None,
    thread_ids: tuple[str, ...],
    older_than: timedelta | None,
    dry_run: bool,
    yes: bool,
    quiet: bool,
) -> None:
    """Delete chats of a user, or single ones, with all that belongs to them.

    With --user or --subject alone, everything about that user goes: files that were not sent, and
    what waits in a server's journal, too. Answers that are being written are stopped.
    """
    settings = settings_for()
    selection = _selection(settings, user_id, subject, thread_ids, older_than)
    if selection.user_id is None and selection.thread_ids is None:
        raise Failure("say whose chats by --user or --subject, or which by --thread")
    whole = selection.thread_ids is None and selection.unused_for is None
    _delete(settings, selection, whole_user=whole, dry_run=dry_run, yes=yes, quiet=quiet)


@threads.command()
@_deleting
def purge(
    user_id: str | None,
    subject: str | None,
    thread_ids: tuple[str, ...],
    older_than: timedelta | None,
    dry_run: bool,
    yes: bool,
    quiet: bool,
) -> None:
    """Delete chats of an age, with all that belongs to them.

    \b
    The age is --older-than, or CHATKIT_RETENTION_DAYS. Where that is set, the server does it by
    itself each night.
    """
    settings = settings_for()
    if older_than is None and settings.retention_days is not None:
        older_than = timedelta(days=settings.retention_days)
    if older_than is None:
        raise Failure("say how old by --older-than, such as 90d, or by CHATKIT_RETENTION_DAYS")
    selection = _selection(settings, user_id, subject, thread_ids, older_than)
    _delete(settings, selection, whole_user=False, dry_run=dry_run, yes=yes, quiet=quiet)


def _delete(
    settings: Settings,
    selection: Selection,
    *,
    whole_user: bool,
    dry_run: bool,
    yes: bool,
    quiet: bool,
) -> None:
    async def work() -> None:
        from .storage import open_store

        async with open_store(settings) as store:
            count = 0
            async for found in store.find_threads(selection):
                count += len(found)
            if dry_run:
                click.echo(f"{count:,} chats would be deleted. Nothing was.")
                return
            if not count and not whole_user:
                click.echo("No chat fits that.")
                return
            if not yes:
                await _ask(f"Delete {count:,} chats for good?")
            with showing(not quiet, "chats", doing="Deleting") as progress:
                deleted = 0
                if whole_user:
                    from .context import RequestContext

                    deleted = await store.erase_user(
                        context=RequestContext(selection.user_id or "")
                    )
                else:
                    async for some in store.delete_threads(selection):
                        deleted += some
                        if progress is not None:
                            progress(deleted, count)
            files = await _remove_files(store, settings)
            click.echo(f"{deleted:,} chats were deleted.{files}")

    run(work)


async def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise Failure("nobody is there to be asked: add --yes to delete, or --dry-run to look")
    if not await asyncio.to_thread(click.confirm, question):
        raise Failure("nothing was deleted")


async def _remove_files(store: PostgresStore, settings: Settings) -> str:
    """Remove what is marked; what there is to say of it."""
    from .attachments import remove_condemned
    from .storage import open_blobs

    if not await store.condemned_attachments(limit=1):
        return ""
    if settings.attachments is None:
        return " Their files are removed by a server that has CHATKIT_ATTACHMENTS, within the hour."
    try:
        return f" {await remove_condemned(store, open_blobs(settings)):,} files were removed."
    except ConnectionError as error:
        return f" Their files are left to the server: {error}."
