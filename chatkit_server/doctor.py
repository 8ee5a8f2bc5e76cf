"""Looks at every part and says what is right, what is wrong, and what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import click

from .command import run
from .errors import SettingsError, sentence
from .settings import Settings, read_settings

Status = Literal["ok", "warning", "error"]
_ORDER: tuple[Status, ...] = ("ok", "warning", "error")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    status: Status
    message: str
    advice: str = ""
    """What to do, where something is to be done."""
    details: Mapping[str, Any] = field(default_factory=dict)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def doctor(as_json: bool) -> None:
    """Check every part, say what is wrong, and what to do. Nothing is changed.

    For a collection that something else filled, proposes how to map its fields.

    Exits with 1 when something does not work.
    """
    try:
        settings = read_settings()
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
    """Look at every part. Nothing is changed, and nothing that fails keeps the rest from it."""
    return [
        Check("settings", "ok", "The settings are read."),
        *await _check_database(settings),
        *await _check_collection(settings),
    ]


async def _check_database(settings: Settings) -> list[Check]:
    from .parts import ping_database

    if settings.database_url is None:
        return [
            Check(
                "database", "ok", f"Postgres is embedded in {settings.data_dir}, for one machine."
            )
        ]
    try:
        await ping_database(settings.database_url.get_secret_value())
    except (ConnectionError, TimeoutError) as error:
        said = str(error) or "it does not answer"
        return [
            Check(
                "database",
                "error",
                f"The database can't be reached: {said}",
                "Check DATABASE_URL, and that the database lets this machine in.",
            )
        ]
    return [Check("database", "ok", "The database answers.")]


async def _check_collection(settings: Settings) -> list[Check]:
    from .parts import look_at_collection

    try:
        findings = await look_at_collection(settings)
    except Exception as error:
        said = sentence(error)
        if said is None:
            raise
        advice = "Check QDRANT_URL and QDRANT_API_KEY." if settings.qdrant_url else ""
        return [Check("search", "error", f"{said[:1].upper()}{said[1:]}.", advice)]
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
