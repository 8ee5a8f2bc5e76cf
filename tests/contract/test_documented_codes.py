"""The statuses and codes of refusals that the docs list are those that the server gives."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from chatkit_server.lease import _REFUSALS
from tests.named import ROOT

PAGES = ["endpoints.md", "attachments.md"]
_ROW = re.compile(r"^\| (\d{3}) \| ((?:`[a-z_]+`(?:, )?)+) \|", re.MULTILINE)


def given() -> Iterator[tuple[int, str]]:
    for path in sorted((ROOT / "chatkit_server").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Name(id="RequestError"),
                    args=[ast.Constant(value=int(status)), ast.Constant(value=str(code)), *_],
                ):
                    yield status, code
    yield from ((409, code) for code in _REFUSALS)


def documented() -> Iterator[tuple[int, str]]:
    for name in PAGES:
        text = (ROOT / "web/site/docs" / name).read_text(encoding="utf-8")
        for status, codes in _ROW.findall(text):
            yield from ((int(status), code) for code in re.findall(r"`([a-z_]+)`", codes))


def test_the_docs_list_every_refusal_and_no_other() -> None:
    assert set(documented()) == set(given())
