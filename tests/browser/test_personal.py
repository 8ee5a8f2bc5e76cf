"""Export and deletion of everything, in the list of earlier chats."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import APIResponse, Browser, BrowserContext, Page, Route, expect

from tests.browser.element import ElementPage, wait_until
from tests.browser.events import thread
from tests.browser.protocol import ScriptedServer, require_build
from tests.browser.test_element import check_accessibility
from tests.fixtures.app import Client, StartServer

pytestmark = pytest.mark.browser

EXPORT, DELETE = "Export my chats", "Delete everything about me"
SURE = "Delete all your chats and files for good?"
SPOKEN = {
    "de": ("Meine Chats exportieren", "Alles über mich löschen", "Löschen"),
    "ja": ("自分のチャットを書き出す", "自分に関するデータをすべて削除", "削除"),
}


@contextmanager
def visit(browser: Browser, url: str, locale: str = "en") -> Iterator[BrowserContext]:
    require_build()
    context = browser.new_context(
        base_url=url, locale=locale, viewport={"width": 380, "height": 600}
    )
    context.set_default_timeout(30_000)
    # A page without a chat tells nothing of why it has none.
    said: list[str] = []
    context.on("weberror", lambda error: said.append(str(error.error)))
    context.on("console", lambda message: said.append(message.text))
    context.on("requestfailed", lambda request: said.append(f"{request.failure}: {request.url}"))
    try:
        yield context
    except BaseException as error:
        error.add_note("\n".join(["The pages said:", *said]))
        raise
    context.close()


def open_history(context: BrowserContext, *questions: str) -> Page:
    """A tab of a visitor who has asked these, with the list of chats."""
    page = context.new_page()
    page.goto("/chat")
    for question in questions:
        box = page.get_by_role("textbox")
        box.fill(question)
        box.press("Enter")
        expect(page.get_by_role("article")).to_have_count(2)
        # A chat has its title once its first answer has come to its end.
        expect(page.get_by_role("button", name="Send message")).to_be_visible()
        page.get_by_role("button", name="New chat").click()
        expect(page.get_by_role("article")).to_have_count(0)
    page.get_by_role("button", name="Chat history").click()
    return page


def client_of(context: BrowserContext, url: str) -> Client:
    (origin,) = context.storage_state()["origins"]
    stored = {entry["name"]: entry["value"] for entry in origin["localStorage"]}
    return Client(url, stored["docs-chatkit:visitor"])


def open_history_with(context: BrowserContext, **options: Any) -> Page:
    """The list with one chat in it, on a page that has options of its own."""
    open_history(context, "How do I connect to Neon?").close()
    page = context.new_page()
    page.goto("/chat")
    page.evaluate(
        """async (options) => {
          const { visitorFetch } = await import('/chat/static/chatkit-element.js');
          const api = { url: '/chatkit', domainKey: 'local', fetch: visitorFetch() };
          const chat = document.getElementById('chat');
          chat.setOptions({ api, ...options });
          await chat.showHistory();
        }""",
        options,
    )
    return page


def test_readers_save_their_chats(browser: Browser, server_url: str, tmp_path: Path) -> None:
    with visit(browser, server_url) as context:
        page = open_history(context, "How do I connect to Neon?", "How is bread baked?")
        with page.expect_download() as download:
            page.get_by_role("button", name=EXPORT).click()
        download.value.save_as(tmp_path / "chats.jsonl")
        # Also while it was busy: whoever works by keyboard stays there.
        expect(page.get_by_role("button", name=EXPORT)).to_be_focused()

        assert download.value.suggested_filename.startswith("chats-20")
        lines = [json.loads(line) for line in (tmp_path / "chats.jsonl").read_text().splitlines()]
        titles = {line["title"] for line in lines if line["type"] == "thread"}
        assert titles == {"How do I connect to Neon?", "How is bread baked?"}
        assert len(lines) == 6
        expect(page.get_by_role("button", name=EXPORT)).to_be_enabled()
        check_accessibility(page)


def test_readers_delete_everything_after_they_were_asked(browser: Browser, server_url: str) -> None:
    bob = Client(server_url)
    bob.ask("How do I connect to Neon?")
    with visit(browser, server_url) as context:
        page = open_history(context, "How do I connect to Neon?")
        page.get_by_role("list").get_by_role(
            "button", name="How do I connect to Neon?"
        ).first.click()
        expect(page.get_by_role("article")).to_have_count(2)
        second = context.new_page()
        second.goto("/chat")
        expect(second.get_by_role("article")).to_have_count(2)
        page.get_by_role("button", name="Chat history").click()

        page.get_by_role("button", name=DELETE).click()
        asked = page.get_by_role("group", name=SURE)
        expect(asked.get_by_role("button", name="Cancel")).to_be_focused()
        check_accessibility(page)
        page.keyboard.press("Escape")
        expect(asked).to_be_hidden()
        expect(page.get_by_role("button", name=DELETE)).to_be_focused()
        assert len(client_of(context, server_url).threads()) == 1

        page.get_by_role("button", name=DELETE).click()
        asked.get_by_role("button", name="Delete", exact=True).click()

        expect(page.get_by_text("Everything about you was deleted.")).to_be_visible()
        expect(page.get_by_text("No chats yet")).to_be_visible()
        expect(page.get_by_role("button", name=DELETE)).to_have_count(0)
        assert client_of(context, server_url).threads() == []
        assert len(bob.threads()) == 1
        # The other tab no longer shows what is gone.
        expect(second.get_by_role("article")).to_have_count(0)
        # And the reader may ask again.
        page.get_by_role("button", name="Back to the chat").click()
        page.get_by_role("textbox").fill("How is bread baked?")
        page.get_by_role("textbox").press("Enter")
        expect(page.get_by_role("article")).to_have_count(2)
        second.close()


def test_what_is_asked_while_everything_is_deleted_stays(browser: Browser, server_url: str) -> None:
    held: list[tuple[Route, APIResponse]] = []
    with visit(browser, server_url) as context:
        page = open_history(context, "How do I connect to Neon?")

        # Deleted at the server, which says so when the reader is elsewhere already.
        def delete(route: Route) -> None:
            if route.request.method != "DELETE":
                route.continue_()
                return
            held.append((route, route.fetch()))
            page.evaluate("window.deletedAtServer = true")

        page.route("**/chatkit/me", delete)
        page.get_by_role("button", name=DELETE).click()
        page.get_by_role("group").get_by_role("button", name="Delete", exact=True).click()
        wait_until(page, "() => window.deletedAtServer")
        page.get_by_role("button", name="Back to the chat").click()
        page.get_by_role("textbox").fill("How is bread baked?")
        page.get_by_role("textbox").press("Enter")
        expect(page.get_by_role("article")).to_have_count(2)
        expect(page.get_by_role("button", name="Send message")).to_be_visible()
        [(route, response)] = held
        route.fulfill(response=response)

        page.get_by_role("button", name="Chat history").click()
        chats = page.get_by_role("list").get_by_role("button", name="How is bread baked?")
        expect(chats.first).to_be_visible()
        page.reload()
        expect(page.get_by_role("article")).to_have_count(2)
        [kept] = client_of(context, server_url).threads()
        assert kept["title"] == "How is bread baked?"


def test_a_refusal_is_said_where_it_was_asked_for(
    browser: Browser, start_server: StartServer
) -> None:
    with start_server(visitor_exports="1/hour") as url, visit(browser, url) as context:
        page = open_history(context, "How do I connect to Neon?")
        with page.expect_download():
            page.get_by_role("button", name=EXPORT).click()
        page.get_by_role("button", name=DELETE).click()
        page.get_by_role("group").get_by_role("button", name="Delete", exact=True).click()

        expect(page.get_by_role("alert")).to_contain_text("many times in a short time")
        expect(page.get_by_role("button", name=DELETE)).to_be_enabled()
        assert len(client_of(context, url).threads()) == 1


@pytest.mark.parametrize("locale", SPOKEN)
def test_it_is_said_in_the_language_of_the_page(
    browser: Browser, server_url: str, locale: str
) -> None:
    export, delete, confirm = SPOKEN[locale]
    with visit(browser, server_url) as context:
        page = open_history_with(context, locale=locale)
        expect(page.get_by_role("button", name=export)).to_be_visible()
        page.get_by_role("button", name=delete).click()
        expect(page.get_by_role("button", name=confirm, exact=True)).to_be_visible()


def test_another_server_is_not_thought_to_offer_it(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    server.answer("threads.list", {"data": [thread("thr_1", "Neon")], "has_more": False})
    server.answer("threads.list", {"data": [thread("thr_1", "Neon")], "has_more": False})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.method} {request.url}"))
    element.mount()
    with page.expect_response(lambda response: response.url.endswith("/chatkit/me")) as response:
        element.call("showHistory")
    assert response.value.status == 404
    expect(page.get_by_role("button", name="Neon", exact=False).first).to_be_visible()
    expect(page.get_by_role("button", name=EXPORT)).to_have_count(0)

    # Nor is it asked where the page knows that it is another's.
    asked.clear()
    element.mount(resume=False)
    element.call("showHistory")
    expect(page.get_by_role("button", name="Neon", exact=False).first).to_be_visible()
    assert not [request for request in asked if request.endswith("/me")]


def test_a_page_that_keeps_readers_from_deleting_lets_them_export(
    browser: Browser, server_url: str
) -> None:
    with visit(browser, server_url) as context:
        page = open_history_with(context, locale="en", history={"showDelete": False})
        expect(page.get_by_role("button", name=EXPORT)).to_be_visible()
        expect(page.get_by_role("button", name=DELETE)).to_have_count(0)
