"""The services of docker-compose.yml, started in a copy of the repository."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.compose.checkout import copy_checkout
from tests.fixtures.command import free_port

PROJECT = "chatkit-test"
_PATIENCE = 180.0


class Stack:
    """Runs Compose with nothing of this machine's settings but what is given."""

    def __init__(
        self, folder: Path, compose: Sequence[str], images: Mapping[str, str], override: Any
    ) -> None:
        copy_checkout(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self._override = folder / "override.json"
        self._override.write_text(json.dumps(override))
        self._compose = compose
        self._environment = {
            name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST") if name in os.environ
        }
        self._environment |= {**images, "PORT": str(self.port), "SERVER_IMAGE": "chatkit-test"}

    def compose(
        self, *arguments: str, files: Sequence[str] = (), check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run Compose with these arguments; what it says on both outputs is kept."""
        named = [f"--file={name}" for name in ("docker-compose.yml", *files, self._override.name)]
        done = subprocess.run(
            [*self._compose, f"--project-name={PROJECT}", *named, *arguments],
            cwd=self.folder,
            env={**self._environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=3600,
        )
        if check and done.returncode:
            raise AssertionError(f"compose {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}")
        return done

    def containers(self, service: str) -> list[str]:
        """The ids of a service's running containers."""
        return self.compose("ps", "--quiet", service).stdout.split()

    def inspect(self, container: str) -> dict[str, Any]:
        shown = docker("inspect", container)
        return dict(json.loads(shown)[0])

    def address(self, container: str, network: str) -> str:
        networks = self.inspect(container)["NetworkSettings"]["Networks"]
        return str(networks[f"{PROJECT}_{network}"]["IPAddress"])

    def ready(self) -> dict[str, Any]:
        """What `/readyz` says through the proxy."""
        return dict(httpx.get(f"{self.url}/readyz", timeout=30).json())

    def wait_until(self, condition: Callable[[], Any], what: str) -> float:
        """Ask until something is true; how many seconds it took."""
        started = time.monotonic()
        while True:
            try:
                if condition():
                    return time.monotonic() - started
            except (httpx.TransportError, httpx.InvalidURL, ValueError, KeyError):
                pass
            if time.monotonic() - started > _PATIENCE:
                logs = self.compose("logs", "--tail=60", check=False).stdout
                raise AssertionError(f"not after {_PATIENCE:g} s: {what}\n{logs}")
            time.sleep(0.1)


def docker(*arguments: str, check: bool = True) -> str:
    """Run the client; what it prints."""
    done = subprocess.run(
        ["docker", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}")
    return done.stdout + ("" if check else done.stderr)
