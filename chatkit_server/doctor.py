"""Looks at every part and says what is right, what is wrong, and what to do."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import click

from .command import run
from .diagnosis import Check, Status, say
from .errors import SettingsError, sentence
from .settings import Settings, read_settings

_ORDER: tuple[Status, ...] = ("ok", "warning", "error")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def doctor(as_json: bool) -> None:
    """Check every part, say what is wrong, and what to do. Nothing is changed.

    Each model is really called, with a few words.

    For a collection that something else filled, proposes how to map its fields.

    Exits with 1 when something does not work.
    """
    try:
        settings = read_settings()
        settings.check_embedded("database", "search")
        settings.check_identity()
    except SettingsError as error:
        checks = [Check("settings", "error", str(error))]
    else:
        checks = run(lambda: run_checks(settings))
    status = worst(checks)
    if as_json:
        found = {"status": status, "checks": [asdict(check) for check in checks]}
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        for line in render(checks):
            click.echo(line)
    if status == "error":
        sys.exit(1)


async def run_checks(settings: Settings) -> list[Check]:
    """Look at every part. Nothing that fails keeps the rest from being looked at."""
    from .diagnosis.access import check_origins, check_settings, check_tokens, check_traces
    from .diagnosis.calls import check_dictation, check_models, check_reranker
    from .diagnosis.database import check_database
    from .diagnosis.places import check_attachments, check_folders, check_redis

    # Folders first: the embedded parts make them.
    told = [check_settings(), check_folders(settings), check_origins(settings)]
    settled, folders, origins = told
    # By itself: an embedded engine that was started ends again where the imports of the other
    # checks keep this process from joining it.
    collection = await _check_collection(settings)
    database, *asked = await asyncio.gather(
        check_database(settings),
        check_reranker(settings),
        check_models(settings),
        check_dictation(settings),
        check_tokens(settings),
        check_attachments(settings),
        check_redis(settings),
        check_traces(),
    )
    checks = [settled, database, collection, *asked[:3], origins, asked[3], folders, *asked[4:]]
    return [check for group in checks for check in group]


async def _check_collection(settings: Settings) -> list[Check]:
    from .search import look_at_collection

    try:
        findings = await look_at_collection(settings)
    except Exception as error:
        said = sentence(error)
        if said is None:
            raise
        log = settings.data_dir / "search" / "engine.log"
        advice = (
            "Check QDRANT_URL and QDRANT_API_KEY."
            if settings.qdrant_url
            else f"Run it again; the engine's own log is {log}."
        )
        return [Check("search", "error", say(said), advice)]
    return [
        Check(found.name, found.status, found.message, found.advice, found.details)
        for found in findings
    ]


def worst(checks: Sequence[Check]) -> Status:
    """The status of all checks together."""
    return max((check.status for check in checks), key=_ORDER.index, default="ok")


def render(checks: Sequence[Check]) -> Iterator[str]:
    """The checks as lines for a terminal."""
    width = max((len(check.name) for check in checks), default=0)
    for check in checks:
        first, *others = check.message.splitlines()
        yield f"{check.status:8} {check.name:{width}}  {first}"
        yield from (f"{'':{width + 11}}{line}" for line in others)
        if check.advice:
            first, *others = check.advice.splitlines()
            yield f"{'':{width + 11}}→ {first}"
            # Settings stand by themselves, to be copied.
            yield from (f"{'':{0 if '=' in line else width + 13}}{line}" for line in others)
