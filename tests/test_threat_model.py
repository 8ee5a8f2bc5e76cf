"""Every claim of the threat model is held by tests that exist."""

from __future__ import annotations

import re

import pytest

from tests.named import ROOT, is_test

PAGE = (ROOT / "web/site/docs/threat-model.md").read_text()
# The cells of the tables of claims.
ROWS = [
    (claim.strip(), re.findall(r"`([^`]+)`", tests))
    for table in re.findall(r"^\| claim \| tests \|\n.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    for claim, tests in re.findall(r"^\|(.*?)\|([^|]*)\|$", table, re.MULTILINE)
]


def test_there_are_claims_in_every_part() -> None:
    parts = [part for part in PAGE.split("\n## ") if "| claim | tests |" in part]

    assert len(parts) >= 7
    assert len(ROWS) == sum(
        line.startswith("| ") and "::test_" in line for line in PAGE.split("\n")
    )


@pytest.mark.parametrize(("claim", "tests"), ROWS, ids=[claim[:60] for claim, _ in ROWS])
def test_a_claim_is_held_by_tests_that_exist(claim: str, tests: list[str]) -> None:
    assert claim.endswith(".")
    assert tests
    assert [name for name in tests if not is_test(name)] == []
