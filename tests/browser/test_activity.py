"""What the assistant did on the way: told in a line, and more of it on request."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.element import ElementPage
from tests.browser.events import created, done, item
from tests.browser.protocol import ScriptedServer
from tests.browser.test_element import check_accessibility

pytestmark = pytest.mark.browser

SEARCH = {
    "type": "web_search",
    "title_query": "pooling",
    "queries": ["pooling", "neon pooling"],
    "sources": [
        {"type": "url", "url": "/docs/neon", "title": "Neon"},
        {"type": "url", "url": "javascript:window.hacked=1", "title": "Bad"},
    ],
}
THOUGHT = {"type": "thought", "title": "Looking", "content": "The reader **wants** to know."}


def test_a_workflow_unfolds_to_its_tasks_and_they_to_their_sources(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    reasoning = {"type": "reasoning", "tasks": [THOUGHT], "summary": {"duration": 5}}
    summary = {"title": "Looked around", "icon": "compass"}
    custom = {"type": "custom", "tasks": [SEARCH], "summary": summary, "expanded": True}
    server.stream(
        "threads.create",
        created(),
        done(item("workflow", "w1", workflow=reasoning)),
        done(item("workflow", "w2", workflow=custom)),
    )
    element.mount()
    element.ask("Hi")
    thought = page.get_by_role("button", name="Thought for 5 s")
    expect(thought).to_have_attribute("aria-expanded", "false")
    thought.press("Enter")
    page.get_by_role("button", name="Looking").press("Enter")
    expect(page.locator(".fold strong")).to_have_text("wants")

    # The server wants this one to be open.
    search = page.get_by_role("button", name="pooling")
    search.press("Enter")
    expect(page.get_by_text("“neon pooling”")).to_be_visible()
    expect(page.get_by_role("link", name="Neon")).to_have_attribute("href", "/docs/neon")
    expect(page.get_by_text("Bad")).to_be_visible()
    expect(page.get_by_role("link", name="Bad")).to_have_count(0)
    check_accessibility(page)

    page.get_by_role("button", name="Looked around").press("Enter")
    expect(search).to_have_count(0)
