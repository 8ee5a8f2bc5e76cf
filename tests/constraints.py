"""Chooses the versions in `constraints.txt` anew; run by `make constraints`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILE = ROOT / "constraints.txt"
EXTRAS = ("redis", "s3", "otel", "fastembed")
"""What the image may be built with."""
_HEADER = """\
# What the image is built with: one version of each package, for every platform.
# Made anew by `make constraints`; names no registry, so that any can be used.
"""


def main() -> None:
    chosen = subprocess.run(
        [
            str(Path(sys.executable).parent / "uv"),
            *("pip", "compile", "pyproject.toml", "--quiet", "--upgrade"),
            *(f"--extra={name}" for name in EXTRAS),
            # For the oldest Python that we support, and for all newer ones.
            *("--universal", "--python-version=3.11"),
            *("--no-header", "--no-annotate", "--no-emit-index-url"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    FILE.write_text(_HEADER + chosen.stdout)


if __name__ == "__main__":
    main()
