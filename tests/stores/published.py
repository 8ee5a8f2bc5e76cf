"""What the contract says of the stores in `patterns.py`, as the docs publish it.

`python -m tests.stores.published` runs them and writes the tables at the page's end.
"""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import psycopg

from chatkit_stores.embedded import embedded_postgres
from chatkit_stores.testing import StoreContract
from tests.stores import patterns

PAGE = Path(__file__).parents[2] / "web/site/docs/store-conformance.md"
HEADING = "## What each test protects from\n"
STORES = {
    "TestQuickstart": "quick start",
    "TestSample": "samples",
    "TestSQLite": "SDK's tests",
    "TestGuide": "guide",
}

Results = Mapping[str, Mapping[str, set[bool]]]
"""Of each test, of each store: whether its variants passed."""


def results(dsn: str) -> Results:
    """Run the contract on the patterns, each test as its author would."""
    with psycopg.connect(dsn) as connection:
        connection.execute(patterns.GUIDE_SCHEMA.encode())
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        run = subprocess.run(
            [
                sys.executable,
                *("-m", "pytest", patterns.__file__, "-q", "--tb=no"),
                *("--noconftest", "-p", "no:cacheprovider", f"--junitxml={report}"),
            ],
            env={**os.environ, "GUIDE_DSN": dsn},
            capture_output=True,
            text=True,
        )
        assert run.returncode == 1, run.stdout + run.stderr
        tests = ElementTree.parse(report).iter("testcase")
    passed: dict[str, dict[str, set[bool]]] = defaultdict(lambda: defaultdict(set))
    for test in tests:
        assert test.find("skipped") is None
        assert test.find("error") is None, test.attrib
        store = test.attrib["classname"].rpartition(".")[2]
        name = test.attrib["name"].partition("[")[0]
        passed[name][store].add(test.find("failure") is None)
    return passed


def tables(found: Results) -> str:
    """A table for each part of the contract."""
    written = []
    for part in StoreContract.__bases__:
        heading = (sys.modules[part.__module__].__doc__ or "").strip().rstrip(".")
        rows = [
            f"| test | protects from | {' | '.join(STORES.values())} |",
            f"| --- | --- |{' :-: |' * len(STORES)}",
        ]
        for name, test in vars(part).items():
            if name.startswith("test_"):
                fault = " ".join((test.__doc__ or "").split())
                marks = [_mark(found[name][store]) for store in STORES]
                rows.append(f"| `{name}` | {fault} | {' | '.join(marks)} |")
        written.append("\n".join([f"### {heading}", "", *rows]))
    return "\n\n".join(written)


def totals(found: Results) -> dict[str, str]:
    """Of each store, how many of the tests it passes in all their variants."""
    passed = {store: sum(all(each[store]) for each in found.values()) for store in STORES}
    return {name: f"{passed[store]} of {len(found)}" for store, name in STORES.items()}


def _mark(variants: set[bool]) -> str:
    return {frozenset({True}): "✓", frozenset({False}): "✗"}.get(frozenset(variants), "partly")


async def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="chatkit-patterns-"))
    folder.chmod(0o755)
    async with embedded_postgres(folder) as dsn:
        found = await asyncio.to_thread(results, dsn)
    text = PAGE.read_text().partition(HEADING)[0]
    for name, total in totals(found).items():
        row = re.escape(f"| {name} | ")
        text = re.sub(rf"^{row}.*$", f"| {name} | {total} |", text, flags=re.MULTILINE)
    PAGE.write_text(f"{text}{HEADING}\n{tables(found)}\n")
    print(totals(found))


if __name__ == "__main__":
    asyncio.run(main())
