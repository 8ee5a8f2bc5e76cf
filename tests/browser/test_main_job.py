"""The main job: ask the docs in the bubble, get a cited answer, find it again after a restart.

The real command line, embedded Postgres and search engine, the built site, Chromium.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.installation import Installation
from tests.fixtures.folders import remove

pytestmark = pytest.mark.browser

QUESTION = "How do I connect it to Neon?"


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    folder = Path(tempfile.mkdtemp(prefix="job-"))
    folder.chmod(0o755)
    yield Installation(folder)
    remove(folder)


def open_bubble(page: Page) -> None:
    page.get_by_role("button", name="Ask the docs").click()
    expect(page.get_by_role("dialog").get_by_role("textbox")).to_be_visible()


def past(where: Page | Locator, title: str) -> Locator:
    """A thread in the history; its button says the title and the time."""
    return where.get_by_role("button", name=re.compile(f"^{re.escape(title)}"))


def send(box: Locator, question: str) -> None:
    box.fill(question)
    expect(box.page.get_by_role("button", name="Send message")).to_be_enabled()
    box.press("Enter")


def test_ask_read_follow_reload_restart(browser: Browser, installation: Installation) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(45_000)
    foreign: list[str] = []
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((installation.url, "data:"))
            else foreign.append(request.url)
        ),
    )
    with installation.running():
        page.goto(f"{installation.url}/docs/getting-started")
        open_bubble(page)
        box = page.get_by_role("dialog").get_by_role("textbox")
        send(box, QUESTION)
        panel = page.get_by_role("dialog")
        expect(panel).to_contain_text("DATABASE_URL")
        source = panel.get_by_role("link", name=re.compile("Neon")).first
        expect(source).to_be_visible()
        href = source.get_attribute("href")
        assert href is not None
        assert href.startswith("/docs/neon"), href

        # The citation opens the page at its heading, without a reload, and the chat stays.
        page.evaluate("window.sameDocument = true")
        # By the keyboard; the mouse is tried in test_plugin.py.
        source.press("Enter")
        expect(page).to_have_url(re.compile(r"/docs/neon"))
        assert page.evaluate("window.sameDocument") is True
        expect(panel).to_contain_text(QUESTION)
        if "#" in href:
            # What is cited is named after it, for browsers that mark the words.
            anchor = href.split("#")[1].split(":~:")[0]
            heading = page.locator(f"[id='{anchor}']")
            expect(heading).to_be_in_viewport()

        page.reload()
        open_bubble(page)
        expect(page.get_by_role("dialog")).to_contain_text(QUESTION)

    with installation.running():
        page.goto(f"{installation.url}/docs/qdrant")
        open_bubble(page)
        panel = page.get_by_role("dialog")
        expect(panel).to_contain_text("DATABASE_URL")
        panel.get_by_role("button", name=re.compile("new chat", re.IGNORECASE)).click()
        expect(panel).not_to_contain_text("DATABASE_URL")
        panel.get_by_role("button", name=re.compile("history", re.IGNORECASE)).first.click()
        # Before that there is a prompt of the same words.
        expect(panel.get_by_role("heading", name="Your chats")).to_be_visible()
        past(panel, QUESTION).click()
        expect(panel).to_contain_text("DATABASE_URL")
    page.close()
    assert foreign == []


def test_another_visitor_sees_nothing_of_it(browser: Browser, installation: Installation) -> None:
    with installation.running():
        contexts = [browser.new_context(), browser.new_context()]
        first, second = (context.new_page() for context in contexts)
        for page in (first, second):
            page.set_default_timeout(45_000)
            page.goto(f"{installation.url}/chat")
        box = first.get_by_role("textbox")
        send(box, QUESTION)
        expect(first.locator("body")).to_contain_text("DATABASE_URL")
        # Its thread has its title once the whole turn is stored.
        expect(first.get_by_role("status")).to_contain_text("The answer is complete")
        second.get_by_role("button", name=re.compile("history", re.IGNORECASE)).first.click()
        expect(second.get_by_role("heading", name="Your chats")).to_be_visible()
        expect(past(second, QUESTION)).to_have_count(0)
        first.get_by_role("button", name=re.compile("history", re.IGNORECASE)).first.click()
        expect(past(first, QUESTION)).to_be_visible()
        for context in contexts:
            context.close()


def test_two_tabs_share_the_history(browser: Browser, installation: Installation) -> None:
    with installation.running():
        context = browser.new_context()
        first, second = context.new_page(), context.new_page()
        for page, question in ((first, QUESTION), (second, "Can I use Ollama?")):
            page.set_default_timeout(45_000)
            page.goto(f"{installation.url}/chat")
            if page is second:
                # The second tab goes on in the visitor's last chat unless told otherwise.
                expect(page.locator("body")).to_contain_text(QUESTION)
                page.get_by_role("button", name="New chat").click()
            send(page.get_by_role("textbox"), question)
            # Its thread has its title once the whole turn is stored.
            expect(page.get_by_role("status")).to_contain_text("The answer is complete")
        first.get_by_role("button", name=re.compile("history", re.IGNORECASE)).first.click()
        expect(past(first, "Can I use Ollama?")).to_be_visible()
        expect(past(first, QUESTION)).to_be_visible()
        context.close()
