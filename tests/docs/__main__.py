"""Runs the documentation's commands: `python -m tests.docs [PAGE ...]`, or `make docs-test`.

Every page has a fresh folder, its blocks run in their order in one shell, beside the servers that
it starts. Prints what ran, what was only read, and what was neither, with the reason.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.docs import code, shell
from tests.docs.blocks import PAGES, Block, read_blocks
from tests.docs.session import Outcome, Session
from tests.docs.stages import STAGES, Stage, on_stage
from tests.docs.stand_ins import StandIns
from tests.named import ROOT

_SHOWN = re.compile(r"^\$ (.*)\n?((?:(?!\$ ).*\n?)*)", re.MULTILINE)
_REFUSED = re.compile(r'^\{"error": ?\{', re.MULTILINE)
_PYTHON = '"$STAGE_PYTHON" -m tests.docs.execute'


class Report:
    """What became of the blocks."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.reasons: list[str] = []
        self.failures: list[str] = []

    def ran(self, block: Block, seconds: float) -> None:
        self.counts["run"] += 1
        print(f"  ran      {block}  {seconds:.1f} s", flush=True)

    def read(self, block: Block) -> None:
        self.counts["checked"] += 1

    def left(self, block: Block, reason: str) -> None:
        self.counts["not run"] += 1
        self.reasons.append(f"{block} ({block.language}): {reason}")

    def failed(self, block: Block, why: str) -> None:
        self.counts["failed"] += 1
        self.failures.append(f"{block}\n{why}")
        print(f"  FAILED   {block}\n{why}", flush=True)


def run_page(page: Path, session: Session, stage: Stage, report: Report) -> None:
    shown = ""
    for block in read_blocks(page):
        if "title" in block.meta and block.language not in ("text", *code.SCRIPTS):
            session.write(block.meta["title"], block.text)
        if "skip" in block.meta or "tried" in block.meta:
            if "tried" in block.meta:
                report.counts["run by a test"] += 1
            else:
                report.left(block, block.meta["skip"])
            continue
        script = script_of(block, session)
        if script is None:
            settings = shell.assignments(block) if block.language in shell.LANGUAGES else None
            if kept := {n: v for n, v in (settings or {}).items() if n in stage.settings}:
                keep(kept, session)
            if block.language == "json" and block.adjoins and shown:
                compare(block, shown, report)
            elif block.language in _READ or settings:
                report.read(block)
            else:
                program = "nginx is not installed" if block.language == "nginx" else None
                report.left(block, program or f"nothing here reads {block.language}")
            continue
        for text, first in stage.ahead.items():
            if text in block.text and (done := session.run(first)).status:
                raise RuntimeError(f"what comes before {block} fails:\n{done.output}")
        began = time.monotonic()
        done = session.run(script, patience=stage.patience)
        shown = done.output
        if why := complaint(block, done):
            report.failed(block, why)
        else:
            report.ran(block, time.monotonic() - began)


# Checked by `tests/docs/test_blocks.py`, which `make test` runs.
_READ = {"json", "yaml", "ini", "css", "toml", *code.SCRIPTS}


def script_of(block: Block, session: Session) -> str | None:
    """What the shell is to run for a block; None where it is only read."""
    if block.language in shell.LANGUAGES:
        return None if shell.assignments(block) is not None else block.text
    if block.language == "python":
        name = block.meta.get("title")
        if name is None:
            name = f"block_{block.line}.py"
            session.write(name, block.text)
            return f"{_PYTHON} {name}"
        return f'"$STAGE_PYTHON" -m py_compile {name}'
    if block.language == "sql" and (dsn := session.environment.get("DATABASE_URL")):
        session.write("block.sql", block.text)
        return f'psql -q -v ON_ERROR_STOP=1 "{dsn}" -f block.sql'
    if block.language == "nginx" and shutil.which("nginx"):
        session.write("block.nginx", block.text)
        return "check-nginx block.nginx"
    if block.language == "text" and (commands := _SHOWN.findall(block.text)):
        return "\n".join(command for command, _ in commands)
    return None


def keep(settings: dict[str, str], session: Session) -> None:
    """Put settings into the page's `.env` and, for `psql` and the like, into its shell."""
    lines = [f"{name}={value}" for name, value in settings.items()]
    with (session.work / ".env").open("a") as file:
        file.write(session.translate("\n".join(lines)) + "\n")
    exported = "\n".join(f"export {line}" for line in lines)
    session.run(exported)
    for name, value in settings.items():
        session.environment[name] = session.translate(value).strip("'\"")


def complaint(block: Block, done: Outcome) -> str | None:
    last = (
        done.output[:1500] + "\n...\n" + done.output[-1500:]
        if len(done.output) > 3000
        else done.output
    )
    if ("fails" in block.meta) != (done.status != 0):
        return f"exit status {done.status}\n{last}"
    # curl takes a refusal for a success.
    if _REFUSED.search(done.output):
        return f"the server refused it\n{last}"
    if block.language == "text":
        for _, expected in _SHOWN.findall(block.text):
            said = differs(expected.strip(), done.output)
            if said:
                return said
    return None


def differs(expected: str, printed: str) -> str | None:
    """Whether JSON that a page shows has other keys than what was printed, or text another end."""
    found = [line for line in printed.splitlines() if line.strip()]
    if expected.startswith("{"):
        actual = next((line for line in found if line.startswith("{")), "{}")
        wanted, got = keys(json.loads(expected.splitlines()[0])), keys(json.loads(actual))
        return None if wanted == got else f"the page shows {wanted}, it prints {got}"
    if expected and not found:
        return "the page shows an output, it prints nothing"
    return None


def keys(value: object) -> set[str]:
    return set(value) if isinstance(value, dict) else set()


def compare(block: Block, shown: str, report: Report) -> None:
    """The JSON below a command has the keys of what the command has printed."""
    try:
        printed = json.loads(shown.strip().splitlines()[-1])
    except (ValueError, IndexError):
        report.read(block)
        return
    wanted, got = keys(json.loads(block.text)), keys(printed)
    if wanted == got:
        report.read(block)
    else:
        report.failed(block, f"the page shows {sorted(wanted)}, it prints {sorted(got)}")


@contextmanager
def cloned() -> Iterator[Path]:
    """The repository as it is committed, in a fresh folder."""
    place = Path(tempfile.mkdtemp(prefix="dx-clone-"))
    place.chmod(0o755)
    try:
        clone = place / "repository"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        yield clone
    finally:
        shutil.rmtree(place, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.docs", description=__doc__)
    parser.add_argument("pages", nargs="*", help="names of pages, such as neon.md; all when unset")
    names = parser.parse_args().pages
    pages = [page for page in PAGES if not names or page.name in names]
    if not pages:
        parser.error(f"there is no page {', '.join(names)}")
    report = Report()
    with StandIns() as stand_ins, cloned() as clone:
        for page in pages:
            # The plugin has a README too.
            own = page.parent == ROOT / "web/docusaurus-plugin"
            stage = Stage() if own else STAGES.get(page.name, Stage())
            print(page.relative_to(ROOT), flush=True)
            for command, why in stage.left.items():
                report.counts["not run"] += 1
                report.reasons.append(f"{page.relative_to(ROOT)}: `{command}`: {why}")
            with on_stage(page, stage, stand_ins, clone) as session:
                run_page(page, session, stage, report)
    print(f"\n{', '.join(f'{count} {what}' for what, count in sorted(report.counts.items()))}")
    if report.reasons:
        print("\nNot run:")
        print("\n".join(f"  {reason}" for reason in report.reasons))
    if report.failures:
        print("\nFailed:")
        print("\n".join(report.failures))
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
