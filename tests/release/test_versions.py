"""A release has one version in all its parts, and says what is in it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.release.versions import ROOT, check, find_versions, main, read_notes

CHANGELOG = """\
# Changelog

## [Unreleased]

## [0.1.0] - 2026-11-30

### Added

- Everything.

## [0.0.1] - 2026-01-01

- A beginning.
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The files of this repository that name a version, ready to be released."""
    named = (ROOT / "chatkit_server/__init__.py", ROOT / "web/package-lock.json")
    for path in (*named, *ROOT.glob("web/*/package.json")):
        place = tmp_path / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    version = find_versions(ROOT)["chatkit_server/__init__.py"]
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG.replace("0.1.0", version))
    return tmp_path


def test_all_parts_of_this_repository_have_one_version() -> None:
    found = find_versions(ROOT)

    assert check(ROOT) == []
    assert len(set(found.values())) == 1
    assert {"chatkit_server/__init__.py", "web/docusaurus-plugin/package.json"} <= found.keys()
    assert "web/package-lock.json, docusaurus-plugin" in found
    assert "web/element/package.json, @docs-chatkit/core" in found
    assert "deploy/kubernetes/kustomization.yaml, image 1" in found


def test_a_tag_is_the_version_and_prints_its_notes(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = find_versions(copy)["chatkit_server/__init__.py"]

    assert main([f"v{version}", "--notes", "--root", str(copy)]) == 0
    assert capsys.readouterr().out == "### Added\n\n- Everything.\n"
    assert main(["v9.9.9", "--root", str(copy)]) == 1
    assert f"the tag is v9.9.9, and the version {version}" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["web/docusaurus-plugin/package.json", "web/core/package.json"])
def test_a_part_with_another_version_is_named(copy: Path, place: str) -> None:
    package = json.loads((copy / place).read_text())
    (copy / place).write_text(json.dumps({**package, "version": "9.9.9"}))

    [problem] = check(copy)

    assert problem.startswith(f"{place} has 9.9.9, and chatkit_server/__init__.py has ")


def test_an_image_of_another_version_is_named(copy: Path) -> None:
    (copy / "deploy").mkdir()
    (copy / "deploy/job.yaml").write_text("image: registry.example/chatkit-server:9.9.9@sha256:1")

    [problem] = check(copy)

    assert problem.startswith("deploy/job.yaml, image 1 has 9.9.9, and ")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("- Everything.", "", "has nothing under"),
        ("## [Unreleased]\n", "## [Unreleased]\n\n- Forgotten.\n", "still has changes under"),
        ("## [Unreleased]\n", "", "has no section [Unreleased]"),
        ("2026-11-30", "soon", "has no day like"),
    ],
)
def test_a_changelog_that_is_not_ready_keeps_the_release_back(
    copy: Path, old: str, new: str, said: str
) -> None:
    changelog = (copy / "CHANGELOG.md").read_text()
    changelog = changelog.replace("### Added\n\n", "") if not new else changelog
    (copy / "CHANGELOG.md").write_text(changelog.replace(old, new))
    version = find_versions(copy)["chatkit_server/__init__.py"]

    assert any(said in problem for problem in check(copy, f"v{version}"))


def test_notes_end_where_the_version_before_begins() -> None:
    assert read_notes(CHANGELOG, "0.1.0") == "### Added\n\n- Everything."
    assert read_notes(CHANGELOG, "0.0.1") == "- A beginning."
    assert read_notes(CHANGELOG, "0.2.0") is None
