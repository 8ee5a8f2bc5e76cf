"""Tests with the lowest and the newest versions that `pyproject.toml` takes.

python -m tests.release.matrix                    both, each in an environment of its own
python -m tests.release.matrix lowest             one of them
python -m tests.release.matrix --table            the table for the docs, without testing
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESOLUTIONS = {"lowest": "lowest-direct", "newest": "highest"}
# With all but fastembed, whose models are not to be had everywhere.
EXTRAS = ("redis", "local", "s3", "otel", "testing")
PYTHON = "3.11"
# Where this project meets what it is built on: the SDKs, the framework, database, search, Redis.
TESTS = (
    "tests/test_seams.py",
    "tests/contract",
    "tests/server/test_app.py",
    "tests/server/test_cli.py",
    "tests/server/test_deltas.py",
    "tests/server/test_headers.py",
    "tests/server/test_models.py",
    "tests/server/test_rates.py",
    "tests/server/test_sdk.py",
    "tests/server/test_settings.py",
    "tests/server/test_testing.py",
    "tests/server/test_tokens.py",
    "tests/server/test_turns.py",
    "tests/server/test_variables.py",
    "tests/server/test_watching.py",
    "tests/stores",
    "tests/tools/test_embeddings.py",
    "tests/tools/test_html_page.py",
    "tests/tools/test_indexing.py",
    "tests/tools/test_sitemap.py",
    "tests/tools/test_tool.py",
)


def ranges() -> dict[str, str]:
    """What is needed always, with the versions that are taken, by its normalized name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = {}
    for line in project["dependencies"]:
        match = re.match(r"([\w.-]+)(?:\[[\w,]+\])?([^;]*)", line)
        assert match is not None
        found[normal(match[1])] = match[2].strip()
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def resolve(resolution: str, output: Path) -> dict[str, str]:
    """Write the versions that are chosen into a file, and give them by name."""
    # What is in there would be taken for preferred.
    output.unlink(missing_ok=True)
    run(
        *(uv(), "pip", "compile", "pyproject.toml", "--quiet", "--no-header", "--no-annotate"),
        *("--python-version", PYTHON, "--resolution", RESOLUTIONS[resolution]),
        *(option for extra in EXTRAS for option in ("--extra", extra)),
        *("--output-file", str(output)),
    )
    lines = (line.partition("==") for line in output.read_text().splitlines())
    return {normal(name.partition("[")[0]): version for name, _, version in lines if version}


def test(resolution: str, folder: Path, arguments: Sequence[str]) -> int:
    """Make the environment, and run the tests in it; gives pytest's status."""
    requirements = folder.with_suffix(".txt")
    chosen = resolve(resolution, requirements)
    run(uv(), "venv", "--quiet", "--clear", "--python", PYTHON, str(folder))
    python = folder / "bin/python"
    install = (uv(), "pip", "install", "--quiet", "--python", str(python))
    # The tools that test are today's: only what the server runs with is old.
    run(*install, "--requirements", str(requirements), "--group", "dev")
    run(*install, "--no-deps", "--editable", ".")
    for name in ranges():
        print(f"{resolution}: {name} {chosen[name]}", flush=True)
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *(arguments or TESTS)]
    paths = os.pathsep.join(str(ROOT / name) for name in ("", "stores", "tools"))
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}).returncode


def table(chosen: Mapping[str, Mapping[str, str]]) -> str:
    """The lines of the docs' table."""
    head = "| package | taken | lowest | newest |\n| --- | --- | --- | --- |\n"
    return head + "\n".join(
        f"| {name} | `{taken}` | {chosen['lowest'][name]} | {chosen['newest'][name]} |"
        for name, taken in ranges().items()
    )


def uv() -> str:
    return str(Path(sys.executable).parent / "uv")


def run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("versions", nargs="*", help="lowest, newest, or both")
    parser.add_argument("--table", action="store_true", help="print the table for the docs")
    parser.add_argument("--folder", type=Path, default=ROOT / ".make")
    parser.add_argument("--tests", nargs="*", default=[], help="in place of the usual ones")
    asked = parser.parse_args(arguments)
    if wrong := set(asked.versions) - RESOLUTIONS.keys():
        parser.error(f"{', '.join(sorted(wrong))}: say lowest, newest or both")
    asked.folder.mkdir(exist_ok=True)
    if asked.table:
        print(table({r: resolve(r, asked.folder / f"matrix-{r}.txt") for r in RESOLUTIONS}))
        return 0
    failed = [
        resolution
        for resolution in asked.versions or RESOLUTIONS
        if test(resolution, asked.folder / f"matrix-{resolution}", asked.tests)
    ]
    print(f"failed with the {' and the '.join(failed)} versions" if failed else "all passed")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
