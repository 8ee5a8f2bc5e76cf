"""Tests by name, found in their files without importing them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@cache
def tests_in(path: str) -> frozenset[str]:
    """The names of the test functions in a file below the repository, of those in classes too."""
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    )


def is_test(reference: str) -> bool:
    """Whether `path::name` names a test; parameters in brackets are not looked at."""
    path, _, name = reference.partition("::")
    return (ROOT / path).is_file() and name.partition("[")[0] in tests_in(path)
