"""Readers who are quicker than the page, its files or its server."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.composer import HOLD_MICROPHONE, box, button
from tests.browser.element import ElementPage, Held, put_off, wait_until
from tests.browser.events import answer, created, done, page_of, question, thread
from tests.browser.protocol import ScriptedServer

pytestmark = pytest.mark.browser

CHATS = [thread("thr_1", "Neon"), thread("thr_2", "Qdrant"), thread("thr_3", "Redis")]


def open_history(element: ElementPage, server: ScriptedServer, page: Page) -> None:
    server.answer("threads.list", page_of(CHATS))
    element.mount()
    button(page, "Chat history").click()
    expect(page.get_by_role("heading", name="Your chats")).to_be_focused()


@contextmanager
def sent_unpainted(element: ElementPage, server: ScriptedServer) -> Iterator[None]:
    """A message is sent by Enter, which is painted and answered once the block ends."""
    page = element.page
    server.stream("threads.create", created(), done(question("Hi")), done(answer("Hello.")))
    element.mount()
    box(page).fill("Hi")
    expect(button(page, "Send message")).to_be_enabled()
    with put_off(page, "requestAnimationFrame"):
        page.keyboard.press("Enter")
        yield
    expect(page.get_by_text("Hello.")).to_be_visible()


def test_what_is_typed_right_after_enter_is_the_next_message(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    with sent_unpainted(element, server):
        page.keyboard.type("And")
    expect(box(page)).to_have_value("And")


def test_a_second_enter_before_the_page_is_painted_sends_nothing(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    with sent_unpainted(element, server):
        page.keyboard.press("Enter")
    expect(page.get_by_role("article")).to_have_count(2)
    assert element.events("error") == []


def test_a_suggestion_for_an_earlier_word_is_not_taken(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    element.mount()
    page.evaluate(
        """() => document.getElementById('chat').setOptions({
          api: { url: '/chatkit', domainKey: 'local' },
          entities: { onTagSearch: async (text) => {
            if (text) await new Promise((found) => { window.answerSearch = found });
            return ['Ada', 'Bob'].filter((title) => title.toLowerCase().startsWith(text))
              .map((title) => ({ id: title, title }));
          } },
        })"""
    )
    box(page).press_sequentially("Ask @")
    entries = page.get_by_role("listbox", name="Suggestions").get_by_role("option")
    expect(entries).to_have_text(["Ada", "Bob"])
    page.keyboard.type("b")
    wait_until(page, "() => window.answerSearch")
    page.keyboard.press("Enter")
    page.evaluate("answerSearch()")
    expect(box(page)).to_have_value("Ask @Bob ")


def test_a_search_for_suggestions_that_fails_leaves_enter_to_the_message(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    server.stream("threads.create", created(), done(question("Hi")), done(answer("Hello.")))
    element.mount()
    page.evaluate(
        """() => document.getElementById('chat').setOptions({
          api: { url: '/chatkit', domainKey: 'local' },
          entities: { onTagSearch: async (text) => {
            if (text) throw new Error('down');
            return [{ id: 'Ada', title: 'Ada' }];
          } },
        })"""
    )
    box(page).press_sequentially("Ask @")
    entries = page.get_by_role("listbox", name="Suggestions").get_by_role("option")
    expect(entries).to_have_text(["Ada"])
    page.keyboard.type("b")
    expect(entries).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Hello.")).to_be_visible()


def test_dictation_that_is_begun_twice_lets_go_of_the_microphone(
    hearing_browser: Browser, server: ScriptedServer
) -> None:
    context = hearing_browser.new_context(base_url=server.url)
    page = context.new_page()
    ElementPage(page).mount(composer={"dictation": {"enabled": True}})
    page.evaluate(HOLD_MICROPHONE)
    button(page, "Dictate").dblclick()
    page.evaluate("allow()")
    button(page, "Discard dictation").click()
    expect(button(page, "Dictate")).to_be_visible()
    wait_until(
        page,
        """() => streams.length > 0 && streams.flatMap((stream) => stream.getTracks()).every(
          ({ readyState }) => readyState === 'ended')""",
    )
    context.close()


def test_a_name_that_is_being_written_outlasts_the_server(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    open_history(element, server, page)
    server.answer("threads.update", thread("thr_1", "Postgres"))
    held = Held(page, "**/chatkit", "threads.update")
    name = page.get_by_role("textbox", name="Name of the chat")
    button(page, "Rename “Neon”").click()
    name.fill("Postgres")
    with page.expect_request("**/chatkit"):
        name.press("Enter")
    button(page, "Rename “Qdrant”").click()
    page.keyboard.type("Vectors")

    held.release()

    expect(button(page, "Rename “Postgres”")).to_be_visible()
    page.keyboard.type(" and words")
    expect(name).to_have_value("Vectors and words")


def test_a_name_that_is_being_written_keeps_the_focus_when_another_chat_is_gone(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    open_history(element, server, page)
    server.answer("threads.delete", {})
    held = Held(page, "**/chatkit", "threads.delete")
    button(page, "Delete “Neon”").click()
    with page.expect_request("**/chatkit"):
        button(page, "Delete").click()
    button(page, "Rename “Qdrant”").click()
    page.keyboard.type("Vectors")

    held.release()

    expect(page.get_by_role("listitem")).to_have_count(2)
    page.keyboard.type(" and words")
    expect(page.get_by_role("textbox", name="Name of the chat")).to_have_value("Vectors and words")


def test_a_rating_outlasts_the_failure_of_another(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    server.stream(
        "threads.create",
        created(),
        done(question("Hi")),
        done(answer("One.", "a_1")),
        done(answer("Two.", "a_2")),
    )
    server.answer("items.feedback", {})
    server.refuse("items.feedback", 503, "Away.")
    element.mount(threadItemActions={"feedback": True})
    element.ask("Hi")
    expect(button(page, "Good answer")).to_have_count(2)
    held = Held(page, "**/chatkit", '"a_1"')
    with page.expect_request("**/chatkit"):
        button(page, "Good answer").first.click()
    with page.expect_response("**/chatkit"):
        button(page, "Good answer").last.click()
    held.release()
    element.wait_for("error")
    expect(button(page, "Good answer").first).to_have_attribute("aria-pressed", "false")
    expect(button(page, "Good answer").last).to_have_attribute("aria-pressed", "true")
