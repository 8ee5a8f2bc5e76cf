"""One stack for all tests of the folder, built and started once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compose import bases
from tests.compose.engine import MissingError, compose_command, docker_engine
from tests.compose.registries import build_secrets
from tests.compose.stack import Stack
from tests.fixtures.app import Client

STAND_IN = Path(__file__).parent / "stand_in.py"


@pytest.fixture(scope="session")
def engine() -> Iterator[None]:
    try:
        with docker_engine():
            yield
    except MissingError as error:
        pytest.exit(str(error), 1)


@pytest.fixture(scope="session")
def stack(engine: None) -> Iterator[Stack]:
    """The services, built and not started; removed with all their data in the end."""
    folder = Path(tempfile.mkdtemp(prefix="compose-"))
    folder.chmod(0o755)
    try:
        compose = compose_command()
        secrets = build_secrets(folder)
        images: dict[str, str] = {}
        override: dict[str, Any] = {
            "services": {
                "server": {"build": bases.build_here(secrets)},
                "pgbouncer": {"build": {"network": "host"}},
            },
            "secrets": bases.secret_files(secrets),
        }
        if bases.can_pull():
            print("\nImages are pulled: Qdrant is a Qdrant server.")
        else:
            print("\nNo image can be pulled: the bases are made of Debian's packages, and Qdrant's")
            print("place is taken by the embedded engine behind our own REST interface.")
            images = bases.make_bases(compose, secrets)
            override["services"]["qdrant"] = {
                "image": "chatkit-test",
                "pull_policy": "never",
                "user": "0:0",
                "entrypoint": ["python3", "/stand_in.py"],
                "volumes": [f"{STAND_IN}:/stand_in.py:ro"],
            }
        (folder / "checkout").mkdir(mode=0o755)
        stack = Stack(folder / "checkout", compose, images, override)
    except MissingError as error:
        pytest.exit(str(error), 1)
    try:
        yield stack
    finally:
        stack.compose("--profile=*", "down", "--volumes", "--remove-orphans", check=False)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def ada(stack: Stack) -> Client:
    """A reader who is there from the first test to the last."""
    return Client(stack.url)
