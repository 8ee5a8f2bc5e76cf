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


def command_of(job: str, part: str) -> str:
    """What the one step of the release's job runs that has this in it."""
    [found] = [command for command in commands_of(job) if part in command]
    return found


def commands_of(job: str) -> list[str]:
    found = read(ROOT / ".github/workflows/release.yml")["jobs"][job]["steps"]
    return [step.get("run", "") for step in found]


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
    command = command_of("build", "pkg set")
    assert commands_of("build").index(command) < commands_of("build").index("make wheel")
    plugin = tmp_path / "web/docusaurus-plugin/package.json"
    plugin.parent.mkdir(parents=True)
    plugin.write_bytes((ROOT / "web/docusaurus-plugin/package.json").read_bytes())
    named = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "Acme/chat"}

    subprocess.run(["bash", "-ec", command], cwd=tmp_path, env={**os.environ, **named}, check=True)

    # npm refuses a package with provenance whose repository is another, or none.
    assert json.loads(plugin.read_text())["repository"] == {
        "type": "git",
        "url": "git+https://github.com/Acme/chat.git",
        "directory": "web/docusaurus-plugin",
    }


@pytest.mark.parametrize(
    ("tag", "names"),
    [
        ("v1.10.0", ["1.10.0", "1.10", "latest"]),
        # Of an older line, and built anew.
        ("v1.9.3", ["1.9.3", "1.9"]),
        ("v1.9.2", ["1.9.2"]),
        ("v2.0.0-rc.1", ["2.0.0-rc.1"]),
    ],
)
def test_only_the_newest_version_is_the_latest(tmp_path: Path, tag: str, names: list[str]) -> None:
    def run(*command: str, **variables: str) -> None:
        subprocess.run(command, cwd=tmp_path, env={**os.environ, **variables}, check=True)

    run("git", "init", "-q")
    author = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    run("git", *author, "commit", "-q", "--allow-empty", "-m", "one")
    for each in ("v1.9.0", "v1.9.2", "v1.9.3", "v1.10.0", "v2.0.0-rc.1", "vendored"):
        run("git", "tag", each)
    for program in ("docker", "npm", "gh"):
        stand_in = tmp_path / "bin" / program
        stand_in.parent.mkdir(exist_ok=True)
        stand_in.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {program}.txt\n')
        stand_in.chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"

    run("bash", "-ec", command_of("build", "git tag"), GITHUB_REF_NAME=tag)
    run("bash", "-ec", command_of("npm", "npm publish"), PATH=path)
    run(
        "bash", "-c", "mkdir built && mv names built && touch built/digest-amd64 built/digest-arm64"
    )
    image = "registry.example.com/acme/chat"
    run("bash", "-ec", command_of("publish", "imagetools"), PATH=path, IMAGE=image)
    run("bash", "-ec", command_of("publish", "gh release"), PATH=path, GITHUB_REF_NAME=tag)

    said = {
        name: (tmp_path / f"{name}.txt").read_text().splitlines()
        for name in ("docker", "npm", "gh")
    }
    latest = "latest" in names
    assert [one for one in said["docker"] if "--tag" in one] == [
        f"--tag={image}:{n}" for n in names
    ]
    assert said["npm"][-2:] == ["--tag", "latest" if latest else "other"]
    assert f"--latest={str(latest).lower()}" in said["gh"]


def test_the_readme_that_pypi_shows_leads_to_what_the_tag_has(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes((ROOT / "README.md").read_bytes())
    named = {
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "Acme/chat",
        "GITHUB_REF_NAME": "v1.2.0",
    }
    command = command_of("build", "README.md")
    assert commands_of("build").index(command) < commands_of("build").index("make wheel")

    subprocess.run(["bash", "-ec", command], cwd=tmp_path, env={**os.environ, **named}, check=True)

    text = (tmp_path / "README.md").read_text()
    links = re.findall(r"\]\(([^)]*)\)|\bsrc(?:set)?=\"([^\"]*)\"", text)
    ours = re.compile(r"https://github\.com/Acme/chat/(?:blob|raw)/v1\.2\.0/([^#]+)(?:#.+)?")
    assert len(links) > 40
    for page, picture in links:
        found = ours.fullmatch(page or picture)
        if found is None:
            assert page.startswith(("https://", "#")), page or picture
        else:
            assert (ROOT / found[1]).exists(), found[1]
            assert ("/raw/" in found[0]) == bool(picture), found[0]


def test_the_workflows_pass_their_linters() -> None:
    for command in (
        ["zizmor", "--offline", "--no-progress", "--quiet", ".github"],
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS)],
    ):
        tool = Path(sys.executable).parent / command[0]
        done = subprocess.run([tool, *command[1:]], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
