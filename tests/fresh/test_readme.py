"""The README's way to try it, in a bare Debian container. Run by `make fresh-test`."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.compose import bases
from tests.compose.checkout import ROOT
from tests.compose.engine import MissingError, compose_command
from tests.compose.registries import build_secrets
from tests.compose.stack import docker
from tests.fixtures.app import Client
from tests.fixtures.command import free_port

IMAGE = "chatkit-base/fresh"
_PATIENCE = 1800.0

pytestmark = pytest.mark.timeout(3600)


@pytest.fixture
def machine(engine: None) -> Iterator[list[str]]:
    """The image, and what the container gets of this machine: how it reaches its registries."""
    with tempfile.TemporaryDirectory(prefix="fresh-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        secrets = build_secrets(folder)
        for path in secrets.values():
            path.chmod(0o644)
        try:
            images = {} if bases.can_pull() else bases.make_bases(compose_command(), secrets)
            bases.build(Path(__file__).parent, IMAGE, compose_command(), secrets, images)
        except MissingError as error:
            pytest.exit(str(error), 1)
        places = {"pip": "/etc/pip.conf", "npmrc": "/home/reader/.npmrc", "ca": "/run/secrets/ca"}
        clone = folder / "chatkit-server.git"
        subprocess.run(["git", "clone", "--quiet", "--bare", str(ROOT), str(clone)], check=True)
        yield [
            f"--volume={clone}:/origin.git:ro",
            *(f"--volume={path}:{places[name]}:ro" for name, path in secrets.items()),
            IMAGE,
        ]


def test_a_clone_and_make_run_are_all_it_takes(machine: list[str]) -> None:
    commands = re.findall(r"^make run\b", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert commands, "the README has another way by now"
    port = free_port()
    # The origin belongs to another user here, which git asks about.
    clone = (
        "git config --global safe.directory '*' && "
        "git clone --quiet file:///origin.git chatkit-server"
    )
    started = time.monotonic()
    container = docker(
        *("run", "--detach", "--network=host", f"--env=PORT={port}"),
        *machine,
        *("bash", "-c", f"{clone} && cd chatkit-server && make run"),
    ).strip()
    try:
        client = Client(f"http://127.0.0.1:{port}")
        while not is_ready(client):
            running = docker("inspect", "--format={{.State.Running}}", container).strip() == "true"
            if not running or time.monotonic() - started > _PATIENCE:
                pytest.fail(docker("logs", "--tail=100", container, check=False))
            time.sleep(0.5)
        seconds = time.monotonic() - started
        page = httpx.get(f"{client.url}/docs/getting-started", follow_redirects=True)
        reply = client.ask("How do I connect it to Neon?")
    finally:
        docker("rm", "--force", container)

    assert page.status_code == 200
    assert reply.urls[0].startswith("/docs/neon"), reply.events
    print(
        f"\nfigures: from git clone to a chat that answers {seconds:.0f} s, {os.cpu_count()} cores"
    )


def is_ready(client: Client) -> bool:
    try:
        return httpx.get(f"{client.url}/readyz").status_code == 200
    except httpx.TransportError:
        return False
