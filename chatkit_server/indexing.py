"""The command that puts docs into the search."""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from .command import Failure, plain, run, settings_for
from .progress import showing

if TYPE_CHECKING:
    from chatkit_tools import IndexSummary, LexicalSummary

# Pages that are named one by one.
_NAMED = 20


def _read_headers(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    headers = {}
    for value in values:
        name, mark, content = value.partition(":")
        if not mark:
            # It may be a secret, so it is not repeated.
            raise click.BadParameter("must look like 'Name: value'")
        headers[name.strip()] = content.strip()
    return headers


@click.command(short_help="Put a folder of docs, a built site or an address into the search.")
@click.argument("source", required=False)
@click.option(
    "--base-url",
    help="Where the docs stand on the site: a path or a whole address.  [default: / for a"
    " folder, what its pages say for a built site, where it is read for a site]",
)
@click.option("--trailing-slash", is_flag=True, help="The site's addresses end with a slash.")
@click.option("--version", default="", help="Of all pages, such as 2.0.")
@click.option("--locale", default="", help="Language of all pages, such as en.")
@click.option(
    "--prune/--no-prune",
    default=True,
    show_default=True,
    help="Remove the pages that the source had before and has no more.",
)
@click.option("--include", metavar="PATTERN", multiple=True, help="Only pages with such a path.")
@click.option("--exclude", metavar="PATTERN", multiple=True, help="No pages with such a path.")
@click.option(
    "--header",
    "headers",
    metavar="'NAME: VALUE'",
    multiple=True,
    callback=_read_headers,
    help="Send this to the site with every request.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 32),
    default=4,
    show_default=True,
    help="Requests to the site at a time.",
)
@click.option(
    "--max-pages",
    type=click.IntRange(1),
    default=10_000,
    show_default=True,
    help="Pages of the site to read at most.",
)
@click.option(
    "--add-lexical",
    is_flag=True,
    help="Take no SOURCE: add what a search by words needs to a collection that something else "
    "fills. Takes Qdrant 1.18.",
)
@click.option(
    "--remove",
    metavar="NAME",
    help="Take no SOURCE: remove all pages of the source of this name, a --base-url or a site.",
)
@click.option("--dry-run", is_flag=True, help="Write nothing, and tell what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def index(
    source: str | None,
    base_url: str | None,
    prune: bool,
    add_lexical: bool,
    remove: str | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Put the docs of SOURCE into the search: a Markdown folder, a built site, an address.

    Pages that did not change cost nothing. Readers are answered from the state before until the
    run is done, and from the new one at once then; a run that breaks off changes nothing for them,
    and the next one goes on from there. Works while servers run.

    \b
    Several sources may share a collection, each with a --base-url of its own:
      chatkit-server index docs --base-url /docs --version 2.0
      chatkit-server index versioned_docs/version-1.0 --base-url /docs/1.0 --version 1.0

    \b
    A built site of any generator has its versions and languages in its pages:
      chatkit-server index build

    \b
    A site is read by its sitemap, at the pace that its robots.txt allows:
      chatkit-server index https://docs.example.org/sitemap.xml --exclude '/docs/archive/*'

    Exits with 1 when a page could not be read; it is named, keeps what was indexed of it before,
    and the others are indexed.
    """
    from .search import open_passages, open_source

    if add_lexical:
        if source is not None:
            raise Failure("--add-lexical takes no SOURCE: the text is in the collection")
        _add_lexical(dry_run=dry_run, as_json=as_json, quiet=quiet)
        return
    if remove is not None and source is not None:
        raise Failure("--remove takes no SOURCE, only the name of one")
    if source is None and remove is None:
        raise Failure("name the SOURCE to index; `chatkit-server index --help` lists the kinds")
    if base_url is not None and not re.match(r"/|https?://", base_url):
        raise Failure(f"--base-url is {base_url!r}; it must start with / or https://")
    settings = settings_for()
    started = time.monotonic()

    async def work() -> Any:
        settings.make_data_dir()
        opened = open_source(source, base_url=base_url, **options) if source else None
        async with open_passages(settings) as passages:
            if opened is None:
                return await passages.remove(str(remove), dry_run=dry_run)
            with showing(not (quiet or as_json)) as progress:
                return await passages.index(opened, prune=prune, dry_run=dry_run, progress=progress)

    summary: IndexSummary = run(work)
    seconds = time.monotonic() - started
    if as_json:
        click.echo(json.dumps(asdict(summary) | {"dry_run": dry_run, "seconds": round(seconds, 2)}))
    else:
        click.echo(_describe(summary, seconds, dry_run=dry_run))
        for page in summary.skipped[:_NAMED]:
            click.echo(plain(f"skipped {page.path}: {page.reason}"), err=True)
        if len(summary.skipped) > _NAMED:
            click.echo(f"… {len(summary.skipped) - _NAMED} more; --json names all", err=True)
    for unreadable in summary.unreadable:
        click.echo(plain(f"could not read {unreadable.path}: {unreadable.reason}"), err=True)
    if summary.unreadable:
        sys.exit(1)


def _describe(summary: IndexSummary, seconds: float, *, dry_run: bool) -> str:
    counts = [f"{getattr(summary, name):,} {name}" for name in ("added", "changed", "removed")]
    counts.append(f"{summary.unchanged:,} unchanged")
    counts += [
        f"{len(found):,} {name}"
        for name, found in (("skipped", summary.skipped), ("unreadable", summary.unreadable))
        if found
    ]
    if summary.kept:
        counts.append(f"{summary.kept:,} gone and kept")
    pages = ", ".join(counts)
    if dry_run:
        return f"Would be: {pages}; {summary.written:,} passages to write. Nothing was written."
    return (
        f"{pages}: {summary.passages:,} passages in the collection,"
        f" {summary.written:,} written in {seconds:.1f} s."
    )


def _add_lexical(*, dry_run: bool, as_json: bool, quiet: bool) -> None:
    from .search import open_passages

    settings = settings_for()

    async def work() -> Any:
        settings.make_data_dir()
        async with open_passages(settings) as passages:
            with showing(not (quiet or as_json), "points") as progress:
                return await passages.add_lexical(dry_run=dry_run, progress=progress)

    summary: LexicalSummary = run(work)
    if as_json:
        click.echo(json.dumps(asdict(summary) | {"dry_run": dry_run}))
        return
    done = "to write" if dry_run else "written"
    click.echo(
        f"{summary.written:,} lexical vectors {done}, {summary.unchanged:,} unchanged, "
        f"{summary.without_text:,} of {summary.points:,} points without text; "
        f"{summary.mean_length:.0f} words on average ({summary.language})."
        + (" Nothing was written." if dry_run else "")
    )
    if summary.added_vector and not dry_run:
        click.echo("The collection has the sparse vector `lexical` now, and all else as it was.")
