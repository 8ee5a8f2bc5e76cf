"""What a block of shell holds: settings, or commands that have to exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec

import click

from chatkit_server.cli import main
from chatkit_server.settings import Settings
from chatkit_server.variables import file_variables, variable
from tests.docs.blocks import Block
from tests.named import ROOT, is_test

LANGUAGES = frozenset({"bash", "sh", "console", "env", "dotenv"})
_FIELDS = Settings.model_fields
FILES = frozenset(file_variables(_FIELDS))
NAMES = FILES | {variable(*field) for field in _FIELDS.items()}
# Read by other packages of ours, or by the shell examples themselves.
_OTHERS = re.compile(r"OTEL_\w+|FASTEMBED_CACHE_PATH|COMPOSE_\w+|POSTGRES_PASSWORD|SITE_PORT")
_ASSIGNMENT = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")


def assignments(block: Block) -> dict[str, str] | None:
    """The settings of a block that has nothing else; None for one with commands."""
    found = {}
    for line in block.text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _ASSIGNMENT.fullmatch(line)
        if match is None or not (match[1] in NAMES or _OTHERS.fullmatch(match[1])):
            return None
        if _has_command(match[2]):
            return None
        found[match[1]] = match[2]
    return found or None


def _has_command(value: str) -> bool:
    words = _words(value)
    return any(word in _PROGRAMS or word.endswith("/chatkit-server") for word in words[1:])


_PROGRAMS = frozenset({"chatkit-server", "make", "npm", "ollama", "python", "uvicorn", "docker"})


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return line.split()


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a script, each as its words without assignments in front."""
    joined = text.replace("\\\n", " ")
    for line in joined.splitlines():
        words: list[str] = []
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;()<>")
        lexer.whitespace_split = True
        lexer.commenters = "#"
        try:
            tokens = list(lexer)
        except ValueError:
            # A quotation over several lines, which is data and no command.
            tokens = []
        into_file = False
        for token in [*tokens, ";"]:
            if set(token) <= set("|&;()<>"):
                into_file = set(token) <= set("<>")
                if words and not into_file:
                    yield words
                    words = []
            elif into_file:
                into_file = False
            elif words or not _ASSIGNMENT.fullmatch(token):
                words.append(token)


def complaint(words: list[str]) -> str | None:
    """What is wrong with a command of ours; None also for those of others."""
    program, *arguments = words
    name = program.rpartition("/")[2]
    if name == "chatkit-server":
        return _of_click(main, "chatkit-server", arguments)
    if name == "make":
        targets = [word for word in arguments if "=" not in word and not word.startswith("-")]
        missing = [target for target in targets if target not in _targets()]
        return f"the Makefile has no {missing}" if missing else None
    if name in ("python", "python3", "pytest"):
        return _of_python(name, arguments)
    if name == "pip":
        return _of_pip(arguments)
    return None


def _of_click(command: click.Command, name: str, arguments: list[str]) -> str | None:
    rest = [word for word in arguments if word]
    try:
        context = command.make_context(name, list(rest), resilient_parsing=False)
    except (click.NoSuchOption, click.exceptions.NoArgsIsHelpError) as error:
        return error.format_message()
    except click.BadParameter as error:
        # A file that is there for the reader and not for us.
        return None if "does not exist" in error.format_message() else error.format_message()
    except click.exceptions.Exit:
        return None
    except click.UsageError as error:
        return error.format_message()
    if isinstance(command, click.Group):
        left = [*context._protected_args, *context.args]
        if not left:
            return None
        found = command.get_command(context, left[0])
        if found is None:
            return f"{name} has no command {left[0]!r}"
        return _of_click(found, f"{name} {left[0]}", left[1:])
    return None


@cache
def _targets() -> frozenset[str]:
    text = (ROOT / "Makefile").read_text()
    return frozenset(re.findall(r"^([a-z-]+):", text, re.MULTILINE))


@cache
def _extras() -> frozenset[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return frozenset(project["optional-dependencies"])


def _of_python(name: str, arguments: list[str]) -> str | None:
    for word in arguments:
        if word.startswith("tests/") and "::" in word and not is_test(word):
            return f"there is no test {word}"
        if word.startswith("tests/") and not (ROOT / word.partition("::")[0]).exists():
            return f"there is no {word}"
    if arguments[:1] == ["-m"] and len(arguments) > 1 and find_spec(arguments[1]) is None:
        return f"there is no module {arguments[1]}"
    return None


def _of_pip(arguments: list[str]) -> str | None:
    for extras in re.findall(r"\[([\w,]+)\]", " ".join(arguments)):
        unknown = set(extras.split(",")) - _extras()
        if unknown:
            return f"the package has no extra {', '.join(sorted(unknown))}"
    return None


def syntax_error(text: str) -> str | None:
    """What bash says of a script, without running it."""
    done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True)
    return done.stderr.strip() or None
