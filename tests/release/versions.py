"""Whether all parts have one version, and what the changelog says about it.

python -m tests.release.versions                  all parts have one version
python -m tests.release.versions v1.2.0           it is this tag's, and the changelog has it
python -m tests.release.versions v1.2.0 --notes   prints the changelog's section
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_VERSION = r"\d+\.\d+\.\d+"
_SECTION = re.compile(
    rf"^## \[({_VERSION})\] - (\S+)$\n(.*?)(?=^## \[|\Z)", re.MULTILINE | re.DOTALL
)
_IMAGE = re.compile(rf"(?:chatkit-server:|newTag: [\"']?)({_VERSION})\b")
_UNRELEASED = re.compile(r"^## \[Unreleased\]$\n(.*?)(?=^## \[|\Z)", re.MULTILINE | re.DOTALL)


def find_versions(root: Path) -> dict[str, str]:
    """The version that each part says it has, by the place where it says so."""
    found = {"chatkit_server/__init__.py": _python(root / "chatkit_server/__init__.py")}
    for path in sorted(root.glob("web/*/package.json")):
        package = json.loads(path.read_text())
        if "version" in package:
            found[str(path.relative_to(root))] = package["version"]
    own = {json.loads((root / place).read_text())["name"] for place in list(found)[1:]}
    for path in sorted(root.glob("web/*/package.json")):
        for name, wanted in _dependencies(json.loads(path.read_text())):
            if name in own:
                found[f"{path.relative_to(root)}, {name}"] = wanted
    for place, entry in json.loads((root / "web/package-lock.json").read_text())[
        "packages"
    ].items():
        if entry.get("name") in own and "version" in entry:
            found[f"web/package-lock.json, {place}"] = entry["version"]
    for path in (*root.glob("deploy/**/*.yaml"), *root.glob("web/site/docs/*.md")):
        for number, image in enumerate(_IMAGE.findall(path.read_text()), 1):
            found[f"{path.relative_to(root)}, image {number}"] = image
    return found


def _python(path: Path) -> str:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__version__":
            return str(ast.literal_eval(node.value))
    raise ValueError(f"{path} has no __version__")


def _dependencies(package: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for kind in ("dependencies", "devDependencies", "peerDependencies"):
        yield from package.get(kind, {}).items()


def read_notes(changelog: str, version: str) -> str | None:
    """What the changelog says about a version; None where it has nothing."""
    sections = {found: text.strip() for found, _, text in _SECTION.findall(changelog)}
    return sections.get(version) or None


def check(root: Path, tag: str | None = None) -> list[str]:
    """Sentences about what does not fit."""
    found = find_versions(root)
    version = found["chatkit_server/__init__.py"]
    problems = [
        f"{place} has {other}, and chatkit_server/__init__.py has {version}"
        for place, other in found.items()
        if other != version
    ]
    changelog = (root / "CHANGELOG.md").read_text()
    for name, day, _ in _SECTION.findall(changelog):
        try:
            date.fromisoformat(day)
        except ValueError:
            problems.append(f"CHANGELOG.md: [{name}] has no day like 2026-11-30, but {day}")
    unreleased = _UNRELEASED.search(changelog)
    if unreleased is None:
        problems.append("CHANGELOG.md has no section [Unreleased]")
    if tag is not None:
        if tag != f"v{version}":
            problems.append(f"the tag is {tag}, and the version {version}: it must be v{version}")
        if read_notes(changelog, version) is None:
            problems.append(f"CHANGELOG.md has nothing under [{version}]")
        if unreleased is not None and re.search(r"^\s*[-*]", unreleased[1], re.MULTILINE):
            problems.append(f"CHANGELOG.md still has changes under [Unreleased], not [{version}]")
    return problems


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("tag", nargs="?")
    parser.add_argument("--notes", action="store_true", help="print the changelog's section")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    problems = check(asked.root, asked.tag)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return 1
    version = find_versions(asked.root)["chatkit_server/__init__.py"]
    notes = read_notes((asked.root / "CHANGELOG.md").read_text(), version)
    print(notes if asked.notes else version)
    return 0


if __name__ == "__main__":
    sys.exit(main())
