"""Asks for known vulnerabilities of everything that is installed: `python -m tests.release.audit`.

What is found fails, unless `.ci/audit.toml` lets it pass, with a reason and for a time.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EXCEPTIONS = ROOT / ".ci/audit.toml"
NPM_FOLDERS = ("web", "web/site")
_KEYS = {"id", "package", "reason", "expires"}
_SHORTEST_REASON = 20
_LONGEST = timedelta(days=180)
# npm's others are `info` and `low`; Python's advisories have no such word.
_SEVERE = ("moderate", "high", "critical")


class UnreachableError(Exception):
    """The service that knows vulnerabilities did not answer."""


@dataclass(frozen=True, slots=True)
class Advisory:
    """What is known about an installed package."""

    package: str
    ids: tuple[str, ...]
    where: str
    title: str

    def __str__(self) -> str:
        return f"{self.where}: {self.package}: {', '.join(self.ids)} {self.title}".rstrip()


@dataclass(frozen=True, slots=True)
class Exemption:
    """What is let pass, why, and until when."""

    id: str
    package: str
    reason: str
    expires: date


def read_exemptions(path: Path, today: date) -> list[Exemption]:
    """The exceptions in the file.

    Raises:
        ValueError: naming each that has no good reason or no day, or whose day is over.
    """
    entries = tomllib.loads(path.read_text()).get("exception", [])
    problems = [
        f"exception {entry.get('id', number)}: {problem}"
        for number, entry in enumerate(entries, 1)
        for problem in _wrong(entry, today)
    ]
    if problems:
        raise ValueError("\n".join(problems))
    return [Exemption(**entry) for entry in entries]


def _wrong(entry: dict[str, Any], today: date) -> Iterator[str]:
    if entry.keys() != _KEYS:
        yield f"it has {sorted(entry)}, and must have {sorted(_KEYS)}"
        return
    if len(str(entry["reason"]).strip()) < _SHORTEST_REASON:
        yield "its reason says too little: why does it not concern us, or what do we wait for?"
    expires = entry["expires"]
    if type(expires) is not date:
        yield "expires must be a day, like 2027-03-31"
    elif expires < today:
        yield f"it has expired on {expires}: update the package, or look at it again"
    elif expires > today + _LONGEST:
        yield f"expires is more than {_LONGEST.days} days away"


def find_python(*options: str) -> list[Advisory]:
    """Advisories for the packages of this environment, by the Open Source Vulnerabilities service.

    PyPI's own would skip, with success, each package that it does not answer for.
    """
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", "osv"]
    command += ["--skip-editable", "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip() or "nothing was said").splitlines()[-1]
        if re.search(r"Connection|Timeout|HTTPError", last):
            raise UnreachableError(last.partition(":")[0]) from None
        raise RuntimeError(f"pip-audit failed: {last}") from None
    return [
        Advisory(
            f"{package['name']} {package['version']}",
            (known["id"], *known.get("aliases", [])),
            "Python",
            f"(mended in {', '.join(known['fix_versions']) or 'no version'})",
        )
        for package in found
        for known in package.get("vulns", [])
    ]


def find_npm(folder: str, *options: str) -> list[Advisory]:
    """Advisories for what a folder's lock file names, by the registry."""
    command = ["npm", "audit", "--audit=true", "--json", *options]
    done = subprocess.run(command, cwd=ROOT / folder, capture_output=True, text=True)
    try:
        said = json.loads(done.stdout)
    except ValueError:
        raise RuntimeError(f"npm audit failed: {done.stderr.strip()[-300:]}") from None
    if "vulnerabilities" not in said:
        raise UnreachableError(f"status {said['statusCode']}" if "statusCode" in said else "npm")
    return [
        Advisory(
            package["name"], (via["url"].rsplit("/", 1)[-1],), folder, f"{severity}: {via['title']}"
        )
        for package in said["vulnerabilities"].values()
        for via in package["via"]
        # Names stand for packages that depend on one with an advisory of its own.
        if isinstance(via, dict) and (severity := via["severity"]) in _SEVERE
    ]


def judge(found: Sequence[Advisory], exemptions: Sequence[Exemption]) -> Iterator[str]:
    """Sentences about what is not let pass."""
    for advisory in found:
        name = advisory.package.partition(" ")[0]
        if not any(e.id in advisory.ids and e.package == name for e in exemptions):
            yield str(advisory)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--if-reachable", action="store_true", help="a service that is away is no failure"
    )
    asked = parser.parse_args(arguments)
    try:
        exemptions = read_exemptions(EXCEPTIONS, datetime.now(UTC).date())
    except ValueError as error:
        print(f"{EXCEPTIONS.relative_to(ROOT)}: {error}")
        return 1
    found, failed = [], False
    for name in ("Python", *NPM_FOLDERS):
        try:
            found += find_python() if name == "Python" else find_npm(name)
        except UnreachableError as error:
            print(f"audit of {name} left out: its service can't be reached from here ({error})")
            failed = failed or not asked.if_reachable
    bad = list(judge(found, exemptions))
    print("\n".join([*bad, f"audit: {len(found)} advisories, {len(bad)} not excepted"]))
    return int(failed or bool(bad))


if __name__ == "__main__":
    sys.exit(main())
