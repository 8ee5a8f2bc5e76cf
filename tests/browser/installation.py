"""The real command line with everything embedded, on the documentation site and its docs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.browser.site import WEB, require_build
from tests.fixtures.command import free_port


class Installation:
    """A data folder with the site's docs in it, and the server on top."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.environment = {
            **os.environ,
            "CHATKIT_DATA_DIR": str(folder / "data"),
            "CHATKIT_LOG_FORMAT": "text",
            "CHATKIT_SITE_DIR": str(require_build()),
            "PORT": str(self.port),
        }
        index = ["index", str(WEB / "site/docs"), "--base-url", "/docs", "--quiet"]
        subprocess.run(self._command(*index), env=self.environment, cwd=folder, check=True)

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "chatkit_server", *arguments]

    @contextmanager
    def running(self) -> Iterator[None]:
        with (
            (self.folder / "log").open("a") as log,
            subprocess.Popen(
                self._command("serve"),
                env=self.environment,
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as server,
        ):
            try:
                assert server.stdout is not None
                for line in server.stdout:
                    log.write(line)
                    if "Ready: " in line:
                        break
                assert server.poll() is None, (self.folder / "log").read_text()
                yield
            finally:
                server.send_signal(signal.SIGINT)
                log.write(server.communicate(timeout=120)[0])
