"""How this machine reaches its package registries, as secrets for builds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

_CERTIFICATES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_INSIDE = "/run/secrets/ca"


def build_secrets(folder: Path) -> dict[str, Path]:
    """Files for the build secrets of the Dockerfile, by name, as far as they are needed."""
    found = {}
    certificates = _certificates()
    if certificates is not None:
        found["ca"] = certificates
    cert = {"cert": _INSIDE} if certificates else {}
    pip = {**_pip_settings(), **cert}
    npm = {**_npm_settings(), **({"cafile": _INSIDE} if certificates else {})}
    if pip:
        lines = "".join(f"{name} = {value}\n" for name, value in pip.items())
        found["pip"] = _write(folder / "pip.conf", f"[global]\n{lines}")
    if npm:
        lines = "".join(f"{name}={value}\n" for name, value in npm.items())
        found["npmrc"] = _write(folder / "npmrc", lines)
    return found


def _write(path: Path, content: str) -> Path:
    path.write_text(content)
    path.chmod(0o600)
    return path


def _certificates() -> Path | None:
    for name in _CERTIFICATES:
        path = Path(os.environ.get(name) or "/nowhere")
        if path.is_file():
            return path
    return None


def _pip_settings() -> dict[str, str]:
    shown = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    settings = {}
    for line in shown.stdout.splitlines():
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2]
        if key in ("index-url", "timeout", "default-timeout", "proxy", "trusted-host"):
            settings[key] = value.strip("'")
    return settings


def _npm_settings() -> dict[str, str]:
    shown = subprocess.run(
        ["npm", "config", "ls", "--json"], capture_output=True, text=True, check=True
    )
    settings = json.loads(shown.stdout)
    wanted = ("registry", "proxy", "https-proxy")
    return {name: str(settings[name]) for name in wanted if settings.get(name)}
