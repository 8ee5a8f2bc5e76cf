"""Installs the built wheel alone in an empty environment, serves the chat page with it and asks.

Run by `make wheel` as `python -m tests.wheel dist`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

import httpx

from tests.fixtures.app import DOCS, Client
from tests.fixtures.command import free_port

NEEDED = (
    "chatkit_server/static/chat.html",
    "chatkit_server/static/chatkit-bubble.js",
    "chatkit_server/static/chatkit-element.js",
    "chatkit_server/static/integrity.json",
    "chatkit_server/py.typed",
    "chatkit_stores/migrations/0001_threads.sql",
    "chatkit_tools/engine.py",
)


def main(folder: Path) -> None:
    wheels = list(folder.glob("*.whl"))
    assert len(wheels) == 1, f"one wheel expected in {folder}, found {wheels}"
    names = zipfile.ZipFile(wheels[0]).namelist()
    missing = [name for name in NEEDED if name not in names]
    assert not missing, f"the wheel lacks {missing}; were the web files built?"
    packages = {name.split("/")[0] for name in names}
    assert packages - {"chatkit_server", "chatkit_stores", "chatkit_tools"} == {
        name for name in packages if name.endswith(".dist-info")
    }, packages

    place = Path(tempfile.mkdtemp(prefix="whl-"))
    place.chmod(0o755)
    try:
        try_out(wheels[0].resolve(), place)
    finally:
        shutil.rmtree(place)
    print(f"{wheels[0].name}: {wheels[0].stat().st_size:,} bytes, installed, served and asked")


def try_out(wheel: Path, place: Path) -> None:
    venv.create(place / "env", with_pip=True)
    python = place / "env/bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", f"{wheel}[local]"], check=True)
    for name, text in DOCS.items():
        (place / "docs" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "docs" / name).write_text(text)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CHATKIT_")}
    command = place / "env/bin/chatkit-server"
    subprocess.run(
        [command, "index", "docs", "--base-url", "/docs"], cwd=place, env=environment, check=True
    )
    port = free_port()
    with subprocess.Popen(
        [command, "serve", "--port", str(port)],
        cwd=place,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stderr is not None
        for line in server.stderr:
            if "Ready: " in line:
                break
        try:
            client = Client(f"http://127.0.0.1:{port}")
            page = httpx.get(f"{client.url}/chat")
            assert page.status_code == 200, page.text
            script = httpx.get(f"{client.url}/chat/static/chatkit-element.js")
            assert script.status_code == 200
            reply = client.ask("How many degrees to bake the loaf?")
            assert reply.urls[0] == "/docs/bread#oven", reply.events
        finally:
            server.terminate()
            server.communicate(timeout=30)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
