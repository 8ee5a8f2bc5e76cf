"""The command that lists what the docs did not answer."""

from __future__ import annotations

import json
from typing import Any

import click

from .command import run, settings_for


@click.command(short_help="List what readers asked and the docs did not answer.")
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=30,
    show_default=True,
    help="How far to look back.",
)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many."
)
@click.option("--json", "as_json", is_flag=True, help="Print all that is known as JSON.")
def unanswered(days: int, limit: int, as_json: bool) -> None:
    """List what readers asked and the docs did not answer, the most frequent first.

    \b
    A question is listed when the search judged that the docs don't cover it, or when the model's
    answer cites nothing. Questions that ask the same are put together. They are deleted with the
    reader's chat.
    """
    settings = settings_for()

    async def work() -> Any:
        from .storage import load_unanswered

        return await load_unanswered(settings, days)

    questions = run(work)
    from .gaps import group

    groups = group(questions)
    if as_json:
        # In ASCII, since it may hold whatever readers have sent.
        click.echo(json.dumps([found.summary() for found in groups[:limit]], indent=2))
        return
    if not groups:
        click.echo(f"Nothing was left unanswered in the last {days} days.")
        return
    for found in groups[:limit]:
        for line in found.lines():
            click.echo(line)
    if len(groups) > limit:
        click.echo(f"And {len(groups) - limit} more; --limit shows them.")
