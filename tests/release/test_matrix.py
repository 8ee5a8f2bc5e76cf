"""The docs' table of versions is what `pyproject.toml` takes; the lowest of it was tested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tests.release.matrix import EXTRAS, ROOT, TESTS, main, ranges

PAGE = ROOT / "web/site/docs/compatibility.md"


def rows() -> dict[str, tuple[str, str, str]]:
    cells = re.findall(
        r"^\| ([\w-]+) \| `(.+)` \| (\S+) \| (\S+) \|$", PAGE.read_text(), re.MULTILINE
    )
    return {name: (taken, lowest, newest) for name, taken, lowest, newest in cells}


def test_the_table_has_every_package_with_its_range() -> None:
    assert {name: taken for name, (taken, _, _) in rows().items()} == ranges()


def test_the_lowest_that_was_tested_is_the_lowest_that_is_taken() -> None:
    for name, (taken, lowest, newest) in rows().items():
        bounds = [s.version for s in SpecifierSet(taken) if s.operator == ">="]
        # The registry may begin with a later one of the same series, such as 4.14.1 for 4.14.
        assert bounds, f"{name} has no lower bound"
        assert Version(lowest).release[:2] == (*Version(bounds[0]).release, 0)[:2], name
        assert Version(newest) in SpecifierSet(taken), name


def test_what_the_matrix_runs_exists() -> None:
    assert [name for name in TESTS if not (ROOT / name).exists()] == []
    extras = (ROOT / "pyproject.toml").read_text().partition("[project.optional-dependencies]")[2]
    assert all(re.search(rf"^{extra} = ", extras, re.MULTILINE) for extra in EXTRAS)


def test_a_wrong_name_of_versions_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["oldest", "--folder", str(tmp_path)])

    assert "oldest: say lowest, newest or both" in capsys.readouterr().err
