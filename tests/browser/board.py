"""Draws the dashboard for the docs, from what a real Prometheus answers to its own queries.

`make shots` runs it: a real server under some minutes of real load, with a scripted model that
fails for a while. It ends with 1 where a query has no data. Grafana is not needed.
"""

from __future__ import annotations

import logging
import math
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import EngFormatter, MultipleLocator

from chatkit_server.testing import Answer, Break, Fail, ModelRequest, Say, ScriptedModel
from tests.browser.site import WEB
from tests.fixtures.app import Client, message
from tests.fixtures.command import free_port
from tests.fixtures.files import LOG, SECRET, ask_about, upload
from tests.fixtures.prometheus import Prometheus, Query, Series, panels, prometheus, queries
from tests.server.test_turns import stop
from tests.server.test_watching import serving

PICTURE = WEB / "site/static/img/dashboard.webp"
LIMIT_BYTES = 150_000
INTERVAL = 5.0
# Seconds, readers at once, and whether the model answers.
PHASES = ((40, 3, True), (50, 7, True), (40, 4, False), (60, 3, True))
QUESTIONS = (
    "How do I connect it to Neon?",
    "Does it work without an OpenAI key?",
    "Who can read a visitor's threads?",
    "How do I limit what a visitor may ask?",
    "How do I index the docs of another site?",
    "How long must I bake a loaf of sourdough?",
    "Thanks!",
)
ANSWER = "Set `DATABASE_URL` to the connection string, and start the server [1]. " * 4


# Load


def use(url: str, dice: random.Random, over: threading.Event) -> None:
    """Readers who ask one after another; each goes when a limit refuses them."""
    ada = Client(url)
    while not over.wait(dice.uniform(0.3, 1.5)):
        question = dice.choice(QUESTIONS)
        try:
            match dice.choice(("ask", "ask", "ask", "follow up", "attach", "stop", "look")):
                case "ask":
                    ada.ask(question)
                case "follow up":
                    ada.ask("And in production?", ada.ask(question).thread_id)
                case "attach":
                    log = upload(ada, LOG.encode() * dice.randint(1, 200), "a.log", "text/plain")
                    ask_about(ada, question, log)
                case "stop":
                    with ada.stream("threads.create", input=message(question)) as events:
                        stop(ada, next(events)["thread"]["id"])
                case "look":
                    ada.threads()
                    ada.post("threads.get_by_id", thread_id="thr_of_somebody_else")
        except httpx.HTTPStatusError as refused:
            if refused.response.status_code != 429:
                raise
            ada = Client(url)


def load(url: str, outage: threading.Event) -> None:
    for seconds, readers, answers in PHASES:
        (outage.clear if answers else outage.set)()
        over = threading.Event()
        with ThreadPoolExecutor(readers) as pool:
            running = [pool.submit(use, url, random.Random(n), over) for n in range(readers)]
            time.sleep(seconds)
            over.set()
        for reader in running:
            reader.result()


def scripted(outage: threading.Event) -> Callable[[ModelRequest], Answer]:
    dice = random.Random(1)

    def answer(request: ModelRequest) -> Answer:
        if outage.is_set():
            return Fail(503)
        if request.body["model"] == "scripted-small":
            return Say("How do I connect it to Neon in production?")
        if dice.random() < 0.03:
            return Break(ANSWER[:60])
        return Say(ANSWER, cut=16, pause=dice.uniform(0.02, 0.15))

    return answer


# Drawing, with the sizes and colours of Grafana's dark theme

COLUMN, ROW = 56, 32
GROUND, CARD, TEXT, FAINT = "#111217", "#181b1f", "#ccccdc", "#2c3235"
COLOURS = {"green": "#73bf69", "orange": "#ff9830", "red": "#f2495c"}
PALETTE = ("#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff")
UNITS = {"s": "s", "bytes": "B", "Bps": "B/s", "reqps": "req/s"}


def shown(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{value:.1%}"
    # Nobody speaks of thousandths of a turn.
    short = unit == "short" and abs(value) < 1000
    value = float(f"{value:.3g}")
    return f"{value:g}" if short else EngFormatter(UNITS.get(unit, ""))(value).strip()


class Board:
    def __init__(self, height: int) -> None:
        self._size = (24 * COLUMN, height * ROW)
        self.figure = Figure((self._size[0] / 100, self._size[1] / 100), 100, facecolor=GROUND)

    def _box(self, place: dict[str, int], *inset: int) -> tuple[float, float, float, float]:
        """The panel without so many pixels left, top, right and below, as parts of the figure."""
        left, top, right, below = inset
        width, height = self._size
        x, y = place["x"] * COLUMN + left, height - (place["y"] + place["h"]) * ROW + below
        w, h = place["w"] * COLUMN - left - right, place["h"] * ROW - top - below
        return x / width, y / height, w / width, h / height

    def draw(self, panel: dict[str, Any], found: list[tuple[str, list[Series]]]) -> None:
        place = panel["gridPos"]
        x, y, width, height = self._box(place, 3, 3, 3, 3)
        bold = panel["type"] == "row"
        if not bold:
            card = Rectangle((x, y), width, height, facecolor=CARD, edgecolor=FAINT, zorder=-1)
            self.figure.add_artist(card)
        inside = self._box(place, 10, 9, 10, 9)
        self.figure.text(
            inside[0], inside[1] + inside[3], panel["title"], size=8, va="top", color=TEXT,
            weight="bold" if bold else "normal",
        )  # fmt: skip
        if panel["type"] == "stat":
            self._stat(panel, found[0][1][0], (x + width / 2, y + height * 0.42))
        elif panel["type"] == "state-timeline":
            self._states(panel, found[0][1])
        elif not bold:
            self._lines(panel, found)

    def _stat(self, panel: dict[str, Any], series: Series, at: tuple[float, float]) -> None:
        defaults = panel["fieldConfig"]["defaults"]
        steps = defaults.get("thresholds", {}).get("steps", [{"value": None, "color": "green"}])
        [*_, colour] = [s["color"] for s in steps if series.values[-1] >= (s["value"] or 0)]
        value = shown(series.values[-1], defaults["unit"])
        self.figure.text(*at, value, size=24, color=COLOURS[colour], ha="center", va="center")

    def _axes(self, panel: dict[str, Any], *inset: int) -> Axes:
        axes = self.figure.add_axes(self._box(panel["gridPos"], *inset), facecolor=CARD)
        axes.grid(color=FAINT, linewidth=0.6)
        self._dress(axes, panel["fieldConfig"]["defaults"]["unit"])
        axes.xaxis.set_major_locator(MultipleLocator(60))
        axes.xaxis.set_major_formatter(lambda at, _: time.strftime("%H:%M", time.gmtime(at)))
        return axes

    def _dress(self, axes: Axes, unit: str) -> None:
        axes.spines[:].set_visible(False)
        axes.tick_params(colors=TEXT, labelsize=6.5, length=0)
        axes.yaxis.set_major_formatter(lambda value, _: shown(value, unit))

    def _states(self, panel: dict[str, Any], series: list[Series]) -> None:
        axes = self._axes(panel, 90, 34, 14, 26)
        axes.grid(visible=False)
        [mapping] = panel["fieldConfig"]["defaults"]["mappings"]
        for number, each in enumerate(series):
            colours = [COLOURS[mapping["options"][f"{v:g}"]["color"]] for v in each.values]
            bars = [(at, INTERVAL) for at in each.times]
            axes.broken_barh(bars, (number - 0.4, 0.8), facecolors=colours, antialiased=False)
        axes.set_yticks(range(len(series)), [each.name for each in series])

    def _lines(self, panel: dict[str, Any], found: list[tuple[str, list[Series]]]) -> None:
        config = panel["fieldConfig"]
        custom = config["defaults"].get("custom", {})
        other = {
            override["matcher"]["options"]: override["properties"][0]["value"]
            for override in config["overrides"]
        }
        first = len(self.figure.axes)
        names = [each.name for _, series in found for each in series]
        rows = 1 + (sum(len(name) + 5 for name in names) * 6 > panel["gridPos"]["w"] * COLUMN)
        axes = self._axes(panel, 52, 34, 48 if other else 14, 32 + 14 * rows)
        colours = iter(PALETTE)
        lines = []
        ground: Any = 0.0
        for ref, series in found:
            drawn = axes
            if ref in other:
                drawn = axes.twinx()
                self._dress(drawn, other[ref])
            for each in series:
                colour = next(colours)
                values = np.array(each.values)
                if "stacking" in custom:
                    values += ground
                    drawn.fill_between(
                        each.times, ground, values, color=colour,
                        alpha=custom["fillOpacity"] / 100, linewidth=0,
                    )  # fmt: skip
                    ground = values
                lines += drawn.plot(
                    each.times, values, color=colour, label=each.name, linewidth=1.1, marker=".",
                    markersize=1.5,
                )  # fmt: skip
        for drawn in self.figure.axes[first:]:
            highest = max(np.nanmax(line.get_ydata()) for line in drawn.lines)
            drawn.set_ylim(0, highest * 1.05 or 1)
            if not highest:
                drawn.set_yticks([0, 1])
        corner = self._box(panel["gridPos"], 6, 0, 0, 2)[:2]
        axes.legend(
            handles=lines, loc="lower left", bbox_to_anchor=corner, frameon=False, fontsize=6.5,
            bbox_transform=self.figure.transFigure, ncols=math.ceil(len(names) / rows),
            labelcolor=TEXT, handlelength=1, columnspacing=1, handletextpad=0.4,
        )  # fmt: skip


def ask(server: Prometheus, seconds: float) -> int:
    """Draw all panels and print what was found; gives how many queries have no data."""
    board = Board(max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in panels()))
    empty = 0
    for panel in panels():
        found = []
        for letter, query in zip("ABCDEF", queries(panel, INTERVAL), strict=False):
            series = server.answer(query, seconds)
            empty += not series
            found.append((letter, series))
            print(f"{len(series) or 'NONE':>5}  {panel['title']}: {query.expression}")
        if all(series for _, series in found):
            board.draw(panel, found)
    firing = Query("", 'count by (alertname) (ALERTS{alertstate="firing"})', "{{alertname}}", False)
    print("fired:", ", ".join(each.name for each in server.answer(firing, seconds)))
    if not empty:
        board.figure.savefig(PICTURE, pil_kwargs={"quality": 75, "method": 6})
    return empty


def main() -> None:
    port, metrics = free_port(), free_port()
    outage = threading.Event()
    with (
        tempfile.TemporaryDirectory(prefix="board-") as name,
        ScriptedModel(scripted(outage)) as model,
    ):
        folder = Path(name)
        settings = {
            "CHATKIT_DATA_DIR": str(folder / "data"),
            "CHATKIT_ATTACHMENTS": str(folder / "files"),
            "CHATKIT_SECRET": SECRET,
            "CHATKIT_METRICS_PORT": str(metrics),
            "CHATKIT_TOKEN_PRICES": "scripted=1.25/10, *=0.25/2",
            "CHATKIT_MODEL": "scripted",
            "CHATKIT_REWRITE_MODEL": "scripted-small",
            "CHATKIT_VISITOR_MESSAGES": "6/minute",
            "CHATKIT_ADDRESS_MESSAGES": "off",
            "CHATKIT_ADDRESS_REQUESTS": "off",
            "OPENAI_BASE_URL": model.base_url,
            "PORT": str(port),
        }
        folder.chmod(0o755)
        # It has a traceback for each answer that the scripted model breaks off.
        logging.getLogger("uvicorn.error").disabled = True
        index = [sys.executable, "-m", "chatkit_server", "index", str(WEB / "site/docs"), "--quiet"]
        subprocess.run(index, cwd=folder, env={**os.environ, **settings}, check=True)
        with (
            serving(folder, settings),
            prometheus(f"127.0.0.1:{metrics}", INTERVAL) as server,
        ):
            began = time.time()
            load(f"http://127.0.0.1:{port}", outage)
            empty = ask(server, time.time() - began)
    if empty:
        raise SystemExit(f"{empty} queries have no data")
    size = PICTURE.stat().st_size
    print(f"{PICTURE.relative_to(WEB.parent)}: {size:,} bytes")
    if size > LIMIT_BYTES:
        raise SystemExit(f"the picture is larger than {LIMIT_BYTES:,} bytes")


if __name__ == "__main__":
    main()
