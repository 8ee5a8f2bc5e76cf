"""Blocks of code and data, read by what would read them."""

from __future__ import annotations

import ast
import configparser
import importlib
import json
import subprocess
import textwrap
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from tests.docs.blocks import Block
from tests.named import ROOT

Check = Callable[[Block], str | None]
SCRIPTS = frozenset({"js", "ts", "tsx", "jsx"})


def of_python(block: Block, own: Sequence[str]) -> str | None:
    """What is wrong with a block of Python: its syntax, or a name that it imports.

    `own` are modules that the page itself has.
    """
    try:
        tree = ast.parse(block.text)
    except SyntaxError as error:
        return str(error)
    wrapped = f"async def block():\n{textwrap.indent(block.text, '    ')}"
    outside = _compile_error(block.text, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    # A piece of a function may have a `yield`.
    if outside is not None and _compile_error(wrapped, 0) is not None:
        return outside
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module.split(".")[0] in own:
                continue
            module = importlib.import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name) and not _is_module(node.module, alias.name):
                    return f"{node.module} has no {alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] not in own:
                    importlib.import_module(alias.name)
    return None


def _compile_error(text: str, flags: int) -> str | None:
    try:
        compile(text, "block", "exec", flags=flags, dont_inherit=True)
    except SyntaxError as error:
        return str(error)
    return None


def _is_module(package: str, name: str) -> bool:
    try:
        importlib.import_module(f"{package}.{name}")
    except ImportError:
        return False
    return True


def of_json(block: Block) -> str | None:
    """One value, or one a line."""
    try:
        json.loads(block.text)
    except ValueError as error:
        try:
            for line in block.text.splitlines():
                json.loads(line)
        except ValueError:
            return str(error)
    return None


def of_yaml(block: Block) -> str | None:
    """Documents of YAML; a workflow has to have its parts."""
    try:
        documents = list(yaml.safe_load_all(block.text))
    except yaml.YAMLError as error:
        return str(error)
    if ".github/workflows" not in block.meta.get("title", "") or "jobs" not in str(documents):
        return None
    [workflow] = documents
    # YAML takes the key `on` for true.
    if "name" not in workflow or not (workflow.get("on") or workflow.get(True)):
        return "the workflow has no name, or nothing that starts it"
    for name, job in workflow["jobs"].items():
        if not job.get("runs-on") or not job.get("steps"):
            return f"the job {name} has no machine or no steps"
    return None


def of_toml(block: Block) -> str | None:
    try:
        tomllib.loads(block.text)
    except tomllib.TOMLDecodeError as error:
        return str(error)
    return None


def of_ini(block: Block) -> str | None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        parser.read_string(block.text)
    except configparser.Error as error:
        return str(error)
    return None


def of_web(blocks: Sequence[Block]) -> list[str]:
    """What TypeScript, PostCSS and the plugin's own options say of all blocks at once."""
    asked = [
        {"place": block.place, "language": block.language, "text": block.text} for block in blocks
    ]
    done = subprocess.run(
        ["node", str(Path(__file__).parent / "web.mjs")],
        input=json.dumps(asked),
        text=True,
        capture_output=True,
        cwd=ROOT / "web/site",
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"node failed: {done.stderr}")
    return list(json.loads(done.stdout))
