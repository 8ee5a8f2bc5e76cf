"""The landing page's demo, with a server behind the site and without one."""

import re
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Locator, Page, expect
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from tests.browser.installation import Installation
from tests.browser.site import WEB, require_build
from tests.fixtures.folders import remove

pytestmark = pytest.mark.browser

AXE = WEB / "node_modules/axe-core/axe.min.js"
QUESTION = "How do I connect it to Neon?"


@pytest.fixture
def installation() -> Iterator[Installation]:
    folder = Path(tempfile.mkdtemp(prefix="land-"))
    folder.chmod(0o755)
    yield Installation(folder)
    remove(folder)


@contextmanager
def serve_files() -> Iterator[str]:
    """A host of plain files, which has no chat server."""
    app = Starlette(routes=[Mount("/", StaticFiles(directory=require_build(), html=True))])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page.set_default_timeout(45_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


def demo(page: Page) -> Locator:
    return page.locator("figure docs-chatkit")


def test_the_demo_answers_from_these_docs_and_leads_to_them(
    page: Page, installation: Installation
) -> None:
    with installation.running():
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(installation.url)
        expect(page.locator("figcaption")).to_contain_text("it answers from these docs")
        page.evaluate("window.sameDocument = true")
        assert [url for url in asked if url.endswith("/chatkit")] == []

        demo(page).get_by_role("button", name=QUESTION).click()

        expect(demo(page)).to_contain_text("DATABASE_URL")
        expect(page.locator("figcaption")).to_contain_text("Live")
        expect(demo(page).get_by_role("button", name="Copy answer").last).to_be_visible()
        for scheme in ("light", "dark"):
            page.evaluate("scheme => { document.documentElement.dataset.theme = scheme }", scheme)
            page.evaluate(AXE.read_text())
            violations = page.evaluate(
                "async () => (await axe.run()).violations.map(({ id, nodes }) => "
                "[id, nodes.map(({ html }) => html.slice(0, 200))])"
            )
            assert violations == [], scheme
        demo(page).get_by_role("link", name=re.compile("Neon")).first.click()
        expect(page).to_have_url(re.compile(r"/docs/neon"))
        assert page.evaluate("window.sameDocument") is True


def test_without_a_server_the_demo_plays_what_was_recorded_and_says_so(page: Page) -> None:
    with serve_files() as url:
        page.goto(url)

        # Twice in one thread: two questions, two answers.
        demo(page).get_by_role("button", name=QUESTION).click()
        expect(demo(page).get_by_text("This is what the docs say")).to_have_count(1)
        expect(page.locator("figcaption")).to_contain_text("Recorded")
        ask(page, QUESTION)
        expect(demo(page).get_by_text("This is what the docs say")).to_have_count(2)

        ask(page, "What is the weather like?")
        expect(demo(page)).to_contain_text("No server is behind this copy of the site")

        page.get_by_role("button", name="Ask the docs").click()
        panel = page.get_by_role("dialog", name="Ask the docs")
        panel.get_by_role("textbox").fill("Hello?")
        panel.get_by_role("button", name="Send message").click()
        expect(panel.get_by_role("alert")).to_contain_text("can’t be reached")
        expect(panel.get_by_role("button", name="Try again")).to_be_visible()


def ask(page: Page, question: str) -> None:
    box = demo(page).get_by_role("textbox")
    box.fill(question)
    expect(demo(page).get_by_role("button", name="Send message")).to_be_enabled()
    box.press("Enter")
