"""Settings of the pages, read as the server reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from chatkit_server.errors import SettingsError
from chatkit_server.settings import read_settings
from tests.docs.blocks import Block
from tests.docs.shell import FILES, NAMES, assignments


def complaints(blocks: Iterable[Block], folder: Path) -> dict[Block, str]:
    """What the server has against each block of settings, alone and on top of those before it."""
    found: dict[Block, str] = {}
    before: dict[str, str] = {}
    for block in blocks:
        settings = assignments(block)
        if settings is None:
            continue
        said = _refusal(settings, folder)
        if said is not None:
            said = _refusal(before | settings, folder)
        if said is not None:
            found[block] = said
        before |= settings
    return found


def _refusal(settings: Mapping[str, str], folder: Path) -> str | None:
    (folder / "secret").write_text("0123456789abcdef" * 4, encoding="utf-8")
    (folder / "address").write_text("postgresql://user:password@db/chat", encoding="utf-8")
    lines = [
        f"{name}={_mounted(name, folder) if name in FILES else _filled(value)}"
        for name, value in settings.items()
        if name in NAMES
    ]
    (folder / ".env").write_text("\n".join(lines), encoding="utf-8")
    try:
        read_settings({"_env_file": str(folder / ".env")})
    except SettingsError as error:
        return str(error)
    return None


def _mounted(name: str, folder: Path) -> Path:
    """A file with a secret, where the page names one that a container would have."""
    return folder / ("address" if name.startswith("DATABASE") else "secret")


def _filled(value: str) -> str:
    """What a shell would write in place of a command."""
    return "0123456789abcdef" * 4 if value.startswith("$(openssl rand") else value
