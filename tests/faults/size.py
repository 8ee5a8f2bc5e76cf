"""How large the fault runs are, and what their dice show.

`make test` runs a tenth of each; `make faults` all of it. The same seed throws the same dice.
"""

from __future__ import annotations

import os
import random
from typing import Final

SCALE: Final = float(os.environ.get("FAULTS_SCALE", "0.1"))
SEED: Final = int(os.environ.get("FAULTS_SEED", "1"))


def scaled(full: int) -> int:
    """So many of something in this run, where the whole run has `full` of it."""
    return max(1, round(full * SCALE))


def dice(run: str) -> random.Random:
    """The dice of one run: independent of the others, so that each can be run alone."""
    return random.Random(f"{run} {SEED}")


def report(run: str, **figures: object) -> None:
    """The one line that a run leaves behind."""
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())
    print(f"\n{run} (seed {SEED}, scale {SCALE:g}): {told}", flush=True)
