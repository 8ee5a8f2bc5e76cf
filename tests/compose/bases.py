"""Base images that are made here from Debian's packages, where none can be pulled."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.compose.engine import MissingError

HERE = Path(__file__).parent / "images"
# In the order in which they are made; each with the variable of docker-compose.yml.
_MADE = {
    "debian": "DEBIAN_IMAGE",
    "python": "PYTHON_IMAGE",
    "node": "NODE_IMAGE",
    "nginx": "PROXY_IMAGE",
    "caddy": "TLS_IMAGE",
    "postgres": "POSTGRES_IMAGE",
    "redis": "REDIS_IMAGE",
}

_CLEAN = """\
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
"""


def can_pull() -> bool:
    """Whether the engine gets images from their registry."""
    asked = subprocess.run(["docker", "pull", "--quiet", "debian:12-slim"], capture_output=True)
    return asked.returncode == 0


def make_bases(compose: Sequence[str], secrets: Mapping[str, Path]) -> dict[str, str]:
    """Make those that are missing; the variables that name them."""
    images = {variable: _image(name) for name, variable in _MADE.items()}
    missing = [name for name in _MADE if not _is_there(_image(name))]
    if "debian" in missing:
        _import_debian(_image("debian"))
    # One after another, since each may stand on those before it.
    for name in missing:
        if name != "debian":
            build(HERE / name, _image(name), compose, secrets, images)
    return images


def build(
    context: Path,
    image: str,
    compose: Sequence[str],
    secrets: Mapping[str, Path],
    arguments: Mapping[str, str],
) -> None:
    """Build a folder's Dockerfile with the network and the registries of this machine."""
    made = {"context": str(context), "args": dict(arguments), **build_here(secrets)}
    service = {"image": image, "build": made}
    file = {"services": {"base": service}, "secrets": secret_files(secrets)}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as written:
        json.dump(file, written)
        written.flush()
        command = [*compose, "--project-name=bases", f"--file={written.name}", "build"]
        subprocess.run(command, check=True)


def build_here(secrets: Mapping[str, Path]) -> dict[str, Any]:
    """What a service's `build` gets of this machine."""
    return {"network": "host", "secrets": list(secrets)}


def secret_files(secrets: Mapping[str, Path]) -> dict[str, Any]:
    return {name: {"file": str(path)} for name, path in secrets.items()}


def _image(name: str) -> str:
    return f"chatkit-base/{name}"


def _is_there(image: str) -> bool:
    return not subprocess.run(["docker", "image", "inspect", image], capture_output=True).returncode


def _import_debian(image: str) -> None:
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        raise MissingError("Images can't be pulled; to make them, have root install debootstrap.")
    folder = Path(tempfile.mkdtemp(prefix="debian-"))
    try:
        subprocess.run(
            ["debootstrap", "--variant=minbase", "bookworm", str(folder)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        for what in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"):
            shutil.rmtree(folder / what)
            (folder / what).mkdir()
        # As in Debian's own image: what is installed later leaves nothing behind.
        (folder / "etc/apt/apt.conf.d/docker-clean").write_text(_CLEAN)
        with subprocess.Popen(
            ["tar", "--create", "--one-file-system", f"--directory={folder}", "."],
            stdout=subprocess.PIPE,
        ) as packed:
            subprocess.run(["docker", "import", "-", image], check=True, stdin=packed.stdout)
        assert packed.returncode == 0
    finally:
        shutil.rmtree(folder)
