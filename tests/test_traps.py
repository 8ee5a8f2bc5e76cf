"""The page about the SDK's traps names tests that exist, and leaves no trap out."""

from __future__ import annotations

import re

from tests.named import ROOT, is_test

PAGE = ROOT / "web/site/docs/sdk-traps.md"
# As they were numbered when they were found; those with a word after them stand for a list.
TRAPS = {
    *("1a", "1b", "1c", "1d", "1e", "1f", "1g", "1h", "2", "3a", "3b", "4", "5", "6", "7", "8"),
    *("9a", "9b", "9c", "9d", "9e", "9f", "10", "11", "12", "13", "14", "15"),
}
LENGTHS = {"4": 14, "5": 12, "6": 5, "7": 9, "8": 3, "9f": 10, "13": 2, "15": 2}


def rows() -> list[list[str]]:
    """The cells of every table on the page, without the heads."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] != "no." and not set(row[0]) <= {"-"}]


def test_every_trap_is_on_the_page_once() -> None:
    numbers = [row[0] for row in rows()]

    assert len(set(numbers)) == len(numbers)
    assert {number.split()[0] for number in numbers} == TRAPS
    for number, length in LENGTHS.items():
        assert sum(name.split()[0] == number for name in numbers) == length, number


def test_every_row_says_what_is_done_and_names_tests_that_exist() -> None:
    for number, wrong, done, tests in rows():
        assert wrong, number
        assert done, number
        names = re.findall(r"`((?:tests|stores/chatkit_stores/testing)/[^`]+)`", tests)
        assert names, number
        missing = [name for name in names if not is_test(name)]
        assert not missing, f"{number}: {missing}"


def test_a_name_that_is_none_is_found_out() -> None:
    assert is_test("tests/test_traps.py::test_every_trap_is_on_the_page_once")
    assert not is_test("tests/test_traps.py::test_that_was_renamed")
    assert not is_test("tests/test_that_is_not_there.py::test_anything")
    assert not is_test("tests/test_traps.py")
