"""What can be said of the documentation's examples without running them.

`python -m tests.docs` runs them.
"""

import re
from pathlib import Path

import pytest

from tests.docs import code, shell
from tests.docs.blocks import KNOWN, PAGES, Block, all_blocks
from tests.docs.environment import complaints
from tests.named import ROOT, is_test

BLOCKS = all_blocks()
# Languages that nothing here reads; each is for a program that isn't part of the project.
_UNREAD = {"text", "html", "nginx", "sql", "caddyfile", "diff"}
_READ = {*shell.LANGUAGES, *code.SCRIPTS, "python", "json", "yaml", "css", "ini", "toml"}
_VARIABLE = re.compile(r"\bCHATKIT_[A-Z][A-Z_]*[A-Z]\b(?!\*|_\*)")


def problems(found: dict[Block, str]) -> str:
    return "\n".join(f"{block}: {said}" for block, said in found.items())


def of(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages]


def test_every_block_says_what_it_is() -> None:
    assert len(BLOCKS) > 150
    unknown = [str(block) for block in BLOCKS if block.language not in _READ | _UNREAD]
    assert unknown == []
    odd = {block: f"{set(block.meta) - KNOWN}" for block in BLOCKS if set(block.meta) - KNOWN}
    assert problems(odd) == ""
    unreasoned = [str(b) for b in BLOCKS if len(b.meta.get("skip", "a good reason")) < 8]
    assert unreasoned == []


def test_a_test_that_is_said_to_run_a_block_exists() -> None:
    named = {block: block.meta["tried"] for block in BLOCKS if "tried" in block.meta}
    assert named
    assert {str(block): test for block, test in named.items() if not is_test(test)} == {}


def test_the_server_takes_the_settings_of_every_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in shell.NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build").mkdir()
    found: dict[Block, str] = {}
    for page in PAGES:
        shells = [b for b in of(*shell.LANGUAGES) if b.page == page]
        found |= complaints(shells, tmp_path)
    assert problems(found) == ""


def test_every_command_exists_with_its_options() -> None:
    found = {}
    for block in of(*shell.LANGUAGES):
        if shell.assignments(block) is not None:
            continue
        if said := shell.syntax_error(block.text):
            found[block] = said
        for words in shell.commands(block.text):
            if said := shell.complaint(words):
                found[block] = f"{' '.join(words)}: {said}"
    assert problems(found) == ""


def test_every_command_that_is_shown_with_its_output_exists() -> None:
    found = {}
    for block in of("text"):
        for line in re.findall(r"^\$ (.*)$", block.text, re.MULTILINE):
            for words in shell.commands(line):
                if said := shell.complaint(words):
                    found[block] = f"{line}: {said}"
    assert problems(found) == ""


def test_python_can_be_read_and_imports_what_there_is() -> None:
    found = {}
    for block in of("python"):
        own = [
            Path(title).parts[0].removesuffix(".py")
            for other in BLOCKS
            if other.page == block.page and (title := other.meta.get("title", "")).endswith(".py")
        ]
        if said := code.of_python(block, [*own, "my_app"]):
            found[block] = said
    assert problems(found) == ""


@pytest.mark.parametrize(
    ("language", "check"),
    [
        ("json", code.of_json),
        ("yaml", code.of_yaml),
        ("toml", code.of_toml),
        ("ini", code.of_ini),
    ],
)
def test_data_can_be_read(language: str, check: code.Check) -> None:
    found = {block: said for block in of(language) if (said := check(block))}
    assert problems(found) == ""


def test_scripts_and_styles_can_be_read_and_the_plugin_takes_its_options() -> None:
    assert code.of_web(of(*code.SCRIPTS, "css")) == []


def test_what_the_troubleshooting_page_quotes_is_what_readers_are_told() -> None:
    page = (ROOT / "web/site/docs/troubleshooting.md").read_text(encoding="utf-8")
    said = "".join(path.read_text() for path in (ROOT / "chatkit_server").glob("*.py"))

    quoted = re.findall(r'"((?:The|This|Another) [^"]+)"', page)

    assert len(quoted) >= 10
    assert [sentence for sentence in quoted if sentence.rstrip(".") not in said] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_setting_that_a_page_names_exists(page: Path) -> None:
    named = set(_VARIABLE.findall(page.read_text(encoding="utf-8")))
    assert named - shell.NAMES == set()
