"""Takes the pictures of the docs and records the answers of the landing page's demo.

`make shots` runs it on the built site with everything embedded. It needs no model: answers quote
the docs.
"""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.browser.installation import Installation
from tests.browser.site import WEB
from tests.fixtures.app import Client, message
from tests.fixtures.browser import ARGS, find_chromium

STATIC = WEB / "site" / "static"
RECORDED = (
    "How do I connect it to Neon?",
    "Does it work without an OpenAI key?",
    "Who can read a visitor's threads?",
)
LIMIT_BYTES = 100_000
ENCODE = """async ([png, quality]) => {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL("image/webp", quality).split(",")[1];
}"""


class Camera:
    """Saves what a page shows as WebP, which Chromium itself can write."""

    def __init__(self, browser: Browser) -> None:
        self._encoder = browser.new_page()

    def take(self, page: Page, name: str) -> None:
        png = base64.b64encode(page.screenshot()).decode()
        for quality in (0.9, 0.8, 0.7):
            picture = base64.b64decode(self._encoder.evaluate(ENCODE, [png, quality]))
            if len(picture) < LIMIT_BYTES:
                break
        path = STATIC / "img" / f"{name}.webp"
        path.write_bytes(picture)
        print(f"{path.relative_to(WEB.parent)}: {len(picture):,} bytes")


def panel(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Ask the docs")


def ask(page: Page, question: str) -> None:
    box = panel(page).get_by_role("textbox")
    box.fill(question)
    expect(panel(page).get_by_role("button", name="Send message")).to_be_enabled()
    box.press("Enter")
    expect(panel(page).get_by_role("button", name="Copy answer").last).to_be_visible()
    # What it is like to read it: from the beginning of the answer.
    panel(page).get_by_text(question).first.evaluate(
        "it => { it.style.scrollMarginTop = '2rem'; it.scrollIntoView(); }"
    )


def take_all(browser: Browser, url: str) -> None:
    camera = Camera(browser)
    for scheme in ("light", "dark"):
        context = browser.new_context(
            viewport={"width": 1280, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
        )
        page = context.new_page()
        page.goto(f"{url}/docs/neon")
        bubble = page.get_by_role("button", name="Ask the docs")
        expect(bubble).to_be_visible()
        if scheme == "light":
            camera.take(page, "closed")
        bubble.click()
        ask(page, RECORDED[0])
        camera.take(page, f"open-{scheme}")
        if scheme == "light":
            for question in RECORDED[1:]:
                panel(page).get_by_role("button", name="New chat").click()
                ask(page, question)
            panel(page).get_by_role("button", name="Chat history").click()
            expect(panel(page).get_by_text(RECORDED[0]).first).to_be_visible()
            camera.take(page, "history")
        context.close()
    context = browser.new_context(
        viewport={"width": 390, "height": 780}, has_touch=True, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(f"{url}/docs/neon")
    page.get_by_role("button", name="Ask the docs").tap()
    ask(page, RECORDED[0])
    camera.take(page, "phone")
    context.close()


def record(url: str) -> None:
    """What the demo plays where the site has no server behind it."""
    client = Client(url)
    turns = [
        {
            "question": question,
            "events": client.events("threads.create", input=message(question)),
        }
        for question in RECORDED
    ]
    path = STATIC / "demo" / "turns.json"
    path.parent.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(turn, ensure_ascii=False) for turn in turns)
    path.write_text(f"[{lines}]\n")
    print(f"{path.relative_to(WEB.parent)}: {path.stat().st_size:,} bytes")


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="shots-"))
    folder.chmod(0o755)
    try:
        installation = Installation(folder)
        with installation.running(), sync_playwright() as playwright:
            record(installation.url)
            browser = playwright.chromium.launch(
                executable_path=find_chromium(playwright.chromium), args=ARGS
            )
            expect.set_options(timeout=20_000)
            take_all(browser, installation.url)
            browser.close()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
