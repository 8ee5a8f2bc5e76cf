"""The workflows run what the repository has, with rights of their own, and what is pinned."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in read(path)["jobs"].values() for step in job.get("steps", [])]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_job_has_rights_that_it_does_not_name(path: Path) -> None:
    workflow = read(path)

    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert job["permissions"], name
        # What writes is not what runs code of others, such as tests and build scripts.
        commands = " ".join(step.get("run", "") for step in job.get("steps", []))
        if "make " in commands or ".ci/" in commands:
            assert job["permissions"] == {"contents": "read"}, name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_hash_with_their_version_beside(path: Path) -> None:
    used = re.findall(r"uses: (?!\./)(.*)", path.read_text())

    assert used
    for action in used:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_is_run_exists(path: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = "\n".join(step.get("run", "") for step in steps(path))

    assert set(re.findall(r"\bmake ([\w-]+)", commands)) <= targets
    for module in re.findall(r"-m (tests[\w.]+)", commands):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module
    for script in re.findall(r"(?:^|\s)(\.ci/\w+)", commands):
        assert (ROOT / script).is_file(), script
    for step in steps(path):
        # A text of somebody else's in there would be run.
        assert "${{" not in step.get("run", ""), step["run"]
        subprocess.run(["bash", "-n"], input=step.get("run", ""), text=True, check=True)


def test_a_release_publishes_what_was_tested_and_built_before() -> None:
    jobs = read(ROOT / ".github/workflows/release.yml")["jobs"]

    assert jobs["test"]["uses"] == "./.github/workflows/ci.yml"
    for publishing in ("image", "pypi", "npm"):
        assert {"test", "build"} <= set(jobs[publishing]["needs"])
    assert {"image", "pypi", "npm"} <= set(jobs["publish"]["needs"])
    for name, job in jobs.items():
        trusted = job["permissions"].get("id-token") == "write"
        assert trusted == (job.get("environment") == name) == (name in ("pypi", "npm"))


def test_the_plugin_says_where_it_comes_from_before_it_is_packed(tmp_path: Path) -> None:
    build = read(ROOT / ".github/workflows/release.yml")["jobs"]["build"]["steps"]
    commands = [step.get("run", "") for step in build]
    [at] = [number for number, command in enumerate(commands) if "pkg set" in command]
    assert at < commands.index("make wheel")
    plugin = tmp_path / "web/docusaurus-plugin/package.json"
    plugin.parent.mkdir(parents=True)
    plugin.write_bytes((ROOT / "web/docusaurus-plugin/package.json").read_bytes())
    named = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "Acme/chat"}

    subprocess.run(
        ["bash", "-ec", commands[at]], cwd=tmp_path, env={**os.environ, **named}, check=True
    )

    # npm refuses a package with provenance whose repository is another, or none.
    assert json.loads(plugin.read_text())["repository"] == {
        "type": "git",
        "url": "git+https://github.com/Acme/chat.git",
        "directory": "web/docusaurus-plugin",
    }


def test_the_workflows_pass_their_linters() -> None:
    for command in (
        ["zizmor", "--offline", "--no-progress", "--quiet", ".github"],
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS)],
    ):
        tool = Path(sys.executable).parent / command[0]
        done = subprocess.run([tool, *command[1:]], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
