"""What the image is built from fits the package; `make compose-test` builds it."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.constraints import EXTRAS, FILE, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pinned() -> dict[str, list[Requirement]]:
    found: dict[str, list[Requirement]] = {}
    for line in FILE.read_text().splitlines():
        if not line.startswith("#"):
            requirement = Requirement(line)
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def wanted() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *(line for name in EXTRAS for line in extras[name])]
    return [Requirement(line) for line in lines]


def test_the_constraints_satisfy_the_package_and_its_extras() -> None:
    versions = pinned()

    unsatisfied = []
    for requirement in wanted():
        pins = versions.get(canonicalize_name(requirement.name), [])
        fits = [
            all(requirement.specifier.contains(one.version) for one in pin.specifier)
            for pin in pins
        ]
        if not fits or not all(fits):
            unsatisfied.append(f"{requirement}: {[str(pin) for pin in pins]}")
    assert not unsatisfied, "run `make constraints`"


def test_each_constraint_is_one_version_without_an_address() -> None:
    for pins in pinned().values():
        for pin in pins:
            assert pin.url is None
            assert re.fullmatch(r"==[\w.!+]+", str(pin.specifier)), str(pin)
    assert "://" not in FILE.read_text()
    assert "--" not in FILE.read_text()


def test_the_constraints_hold_what_the_packages_ask_for_themselves() -> None:
    """A package that is missing would be installed in whatever version there is that day."""
    versions = pinned()
    environment = {"sys_platform": "linux", "extra": ""}
    missing = set()
    for name in versions:
        for requirement in installed_requirements(name):
            applies = requirement.marker is None or requirement.marker.evaluate(environment)
            if applies and canonicalize_name(requirement.name) not in versions:
                missing.add(f"{name} needs {requirement}")
    assert not missing, "run `make constraints`"


def installed_requirements(name: str) -> list[Requirement]:
    try:
        return [Requirement(line) for line in requires(name) or ()]
    except PackageNotFoundError:
        return []


def test_the_image_has_no_embedded_parts() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    extras = re.findall(r"ARG EXTRAS=(\S+)", dockerfile)

    assert extras == ["redis,s3,otel"]
    assert set(extras[0].split(",")) <= set(EXTRAS)
    assert "CHATKIT_EMBEDDED=0" in dockerfile


def test_every_file_that_the_build_copies_is_let_in() -> None:
    let_in = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    copied = re.findall(
        r"^COPY (?!--from)(.*) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    for names in copied:
        for name in names.split():
            assert name.split("/")[0] in let_in, name
            assert Path(ROOT, name).exists(), name
