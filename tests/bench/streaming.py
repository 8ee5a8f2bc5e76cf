"""Measures what a long answer costs the page while it streams into the element, in Chromium.

    python -m tests.bench.streaming [--only NAME]

3,000 deltas of one answer, as fast as the server sends them and 60 a second, on this machine and
with the processor slowed down four times, as a phone's is. A task of the main thread is counted by
the processor time that it takes, which is the page's doing; how long it takes while others use the
processor too is the machine's, and told beside it. A frame that comes 50 ms after the one before
is a late one.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.element import ElementPage
from tests.browser.long_answer import long_text, turn
from tests.browser.protocol import Event, Pause, ScriptedServer, serve
from tests.fixtures.browser import ARGS, find_chromium

DELTAS = 3000
LONGEST = 100
SLOW = 4

WATCH = """() => {
  const watch = { tasks: [], frames: [] };
  // Not a locator that is waited for: looking for it again and again is work for the page too.
  window.watched = new Promise((resolve) => {
    const chat = document.getElementById('chat');
    chat.addEventListener('chatkit.response.end', () => requestAnimationFrame(() => {
      setTimeout(resolve, 100, watch);
    }));
  });
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) watch.tasks.push(duration);
  }).observe({ type: 'longtask' });
  let last = performance.now();
  const frame = (now) => {
    watch.frames.push(now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""


@dataclass(frozen=True, slots=True)
class Streamed:
    """What one answer did to its page."""

    tasks: list[float]
    """Milliseconds of processor time of each task of the main thread."""
    long: list[float]
    """Milliseconds by the clock of each that took longer than 50."""
    frames: list[float]
    """Milliseconds between frames."""

    def __str__(self) -> str:
        seconds = sum(self.frames) / 1000
        late = sum(gap > 50 for gap in self.frames)
        usual = sorted(self.frames)[len(self.frames) * 95 // 100]
        busy = sum(self.tasks) / 1000 / seconds
        return (
            f"{seconds:5.1f} s, {len(self.frames) / seconds:2.0f} frames a second, 95 of 100"
            f" within {usual:.0f} ms, {late} late; main thread {busy:.0%}"
            f" busy, longest task {max(self.tasks):.0f} ms"
            f" ({len(self.long)} over 50 by the clock, up to {max(self.long, default=0):.0f})"
        )


def task_times(trace: bytes) -> list[float]:
    """Milliseconds of processor time of the tasks of the page's main thread."""
    events: Any = json.loads(trace)["traceEvents"]
    tasks: dict[tuple[int, int], list[float]] = defaultdict(list)
    for event in events:
        if event["name"].endswith("RunTask"):
            tasks[event["pid"], event["tid"]].append(event.get("tdur", 0) / 1000)
    main = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    # The browser keeps a renderer in reserve, which does nothing.
    return max((tasks[thread] for thread in main), key=sum)


def paced(events: Iterator[Event], rate: int | None) -> Iterator[Event | Pause]:
    for event in events:
        yield event
        if rate:
            yield Pause(1 / rate)


def measure(
    page: Page, server: ScriptedServer, text: str, *, rate: int | None, slowed: float
) -> Streamed:
    server.reset()
    server.stream("threads.create", *paced(turn(text, DELTAS), rate))
    element = ElementPage(page)
    element.mount()
    page.get_by_role("textbox", name="Message").fill("Explain everything.")
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": slowed})
    page.evaluate(WATCH)
    browser = page.context.browser
    assert browser is not None
    browser.start_tracing(page=page, categories=["toplevel"])
    page.get_by_role("textbox", name="Message").press("Enter")
    watched: Any = page.evaluate("window.watched")
    tasks = task_times(browser.stop_tracing())
    expect(page.get_by_role("button", name="Copy answer")).to_be_visible()
    return Streamed(tasks=tasks, long=watched["tasks"], frames=watched["frames"])


def fresh(browser: Browser, server: ScriptedServer) -> Page:
    context = browser.new_context(base_url=server.url, viewport={"width": 420, "height": 700})
    return context.new_page()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", metavar="WORDS", help="measurements whose names have these words")
    only = parser.parse_args().only or ""
    text = long_text()
    code = "```python\n" + "value = compute(1, 'two')  # a line of code\n" * 500 + "```\n"
    listed = "".join(f"- Item {n} with `code` and **bold** text.\n" for n in range(500))
    shapes = [
        ("as fast as it goes", text, None, 1),
        ("60 a second", text, 60, 1),
        ("as fast as it goes, slow processor", text, None, SLOW),
        ("60 a second, slow processor", text, 60, SLOW),
        ("one block of code", code, 60, 1),
        ("one list", listed, 60, 1),
    ]
    longest = 0.0
    print(f"{DELTAS} deltas of one answer ({len(text) / 1000:.0f} KB) in the element:")
    with serve() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(playwright.chromium), args=ARGS
        )
        for name, content, rate, slowed in shapes:
            if only not in name:
                continue
            page = fresh(browser, server)
            found = measure(page, server, content, rate=rate, slowed=slowed)
            print(f"  {name:36} {found}", flush=True)
            if slowed == 1:
                longest = max(longest, *found.tasks)
            page.context.close()
        browser.close()
    print(f"longest task where nothing is slowed down: {longest:.0f} ms   under {LONGEST} ms")


if __name__ == "__main__":
    main()
