"""What the bubble costs, and how long our chat takes to open where OpenAI's does not.

python -m tests.bench.fallback   (the documentation site must be built)

The sizes are those of the built documentation site, gzipped; what a page costs before the click is
measured by `npm run measure-bubble` in web/site. The times run from the click until the text field
has the focus, in the median of five, in Chromium, with a site and its server on this machine.
"""

from __future__ import annotations

import gzip
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, Response, Route, expect, sync_playwright

from tests.bench.grounds import ROOT
from tests.browser.fixture_site import BASE, OPTIONS, build_site, write_site
from tests.browser.site import Heading, serve_build, serve_site
from tests.browser.test_plugin_sites import CDN, SILENT, THROWING
from tests.fixtures.browser import ARGS, find_chromium

HEADING = Heading(f"{BASE}docs/guide/#the-end", "the-end", "The end")
RUNS = 5


def script(body: str) -> Callable[[Route], None]:
    return lambda route: route.fulfill(content_type="text/javascript", body=body)


NETWORKS: dict[str, Callable[[Route], None]] = {
    "is blocked": lambda route: route.abort(),
    "is refused with 403": lambda route: route.fulfill(status=403, body="no"),
    "hangs": lambda route: None,
    "throws": script(THROWING),
    "loads, but is never ready": script(SILENT),
}


def seconds_to_open(browser: Browser, url: str, answer: Callable[[Route], None]) -> float:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.route("https://cdn.platform.openai.com/**", lambda route: route.abort())
    context.route(CDN, answer)
    page = context.new_page()
    page.goto(url, wait_until="networkidle")
    field = page.locator("#chatkit-panel").get_by_role("textbox")
    began = time.perf_counter()
    page.locator(".chatkit-bubble").click()
    expect(field).to_be_focused(timeout=30_000)
    taken = time.perf_counter() - began
    context.close()
    return taken


def sizes(browser: Browser) -> None:
    with serve_site() as site:
        page = browser.new_page()
        loaded: dict[str, bytes] = {}

        def keep(response: Response) -> None:
            if response.request.resource_type == "script":
                loaded[response.url] = response.body()

        page.on("response", keep)
        page.goto(site.url + "/docs/docusaurus", wait_until="networkidle")
        before = set(loaded)
        page.locator(".chatkit-bubble").click()
        expect(page.locator("#chatkit-panel").get_by_role("textbox")).to_be_focused()
        page.wait_for_load_state("networkidle")
        chat = {url: code for url, code in loaded.items() if url not in before}
        element = sum(packed(code) for code in chat.values() if b"attachShadow" in code)
        print(f"{'the panel, loaded by the first click':58} {kilobytes(rest(chat) - element)}")
        print(f"{'our chat, loaded with it':58} {kilobytes(element)}", flush=True)
        page.close()


def rest(files: dict[str, bytes]) -> int:
    return sum(packed(code) for code in files.values())


def packed(code: bytes) -> int:
    return len(gzip.compress(code, 9))


def kilobytes(size: int) -> str:
    return f"{size / 1024:5.1f} KB gz"


def times(browser: Browser) -> None:
    with serve_site() as site:
        show("our chat alone", lambda: seconds_to_open(browser, site.url, NETWORKS["is blocked"]))
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        build = build_site(write_site(Path(name), OPTIONS))
        with serve_build(build, HEADING, BASE) as site:
            for network, answer in NETWORKS.items():
                show(
                    f"our chat where OpenAI's script {network}",
                    partial(seconds_to_open, browser, site.url + BASE, answer),
                )


def show(name: str, measure: Callable[[], float]) -> None:
    taken = statistics.median(measure() for _ in range(RUNS))
    print(f"{name:58} {taken:5.2f} s", flush=True)


def main() -> None:
    bubble = ["npm", "--silent", "--prefix", str(ROOT / "web/site"), "run", "measure-bubble"]
    subprocess.run(bubble, check=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(playwright.chromium), args=ARGS
        )
        sizes(browser)
        times(browser)
        browser.close()


if __name__ == "__main__":
    main()
