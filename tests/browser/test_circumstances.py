"""The chat on slow networks, with a phone's keyboard, and in colours that the system forces."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.composer import box, button
from tests.browser.element import ElementPage, wait_until
from tests.browser.events import (
    answer,
    begun,
    created,
    delta,
    done,
    page_of,
    question,
    source,
    thread,
)
from tests.browser.link_speed import slow_down
from tests.browser.protocol import ScriptedServer

pytestmark = pytest.mark.browser

# As a phone does it: what is seen gets shorter, and the page stays as it is.
PHONE = """() => {
  const seen = new EventTarget();
  Object.assign(seen, { scale: 1, offsetTop: 0, height: innerHeight });
  Object.defineProperty(window, 'visualViewport', { value: seen });
  window.keyboard = (height, zoom = 1) => {
    Object.assign(seen, { height: innerHeight - height, offsetTop: height / 10, scale: zoom });
    seen.dispatchEvent(new Event('resize'));
  };
}"""


def test_a_slow_network_shows_what_is_being_done_and_sends_nothing_twice(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    thought, written = server.gate(), server.gate()
    text = [begun(), *(delta(f"word{n} ") for n in range(200))]
    server.stream(
        "threads.create", created(), done(question("Hi")), thought, *text, written, delta("end")
    )
    slow_down(page)
    element.mount()
    # The chat's code is on its way.
    expect(box(page)).to_be_visible()
    box(page).fill("Hi")
    send = button(page, "Send message")
    send.dblclick()
    expect(button(page, "Stop answering")).to_be_visible()
    expect(page.get_by_role("article").first).to_contain_text("Hi")
    expect(page.locator(".thinking")).to_be_visible()
    # The second click stopped nothing, and Enter sends nothing more.
    box(page).press("Enter")
    thought.open()
    expect(page.get_by_role("article").nth(1)).to_contain_text("word199")
    written.open()
    expect(page.get_by_role("article").nth(1)).to_contain_text("end")
    expect(page.get_by_role("article")).to_have_count(2)
    expect(page.get_by_text("was stopped")).to_have_count(0)
    assert [request["type"] for request in server.requests] == ["threads.create"]


def test_the_second_click_of_a_double_click_stops_nothing(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    gate = server.gate()
    server.stream("threads.create", created(), done(question("Hi")), gate, done(answer("So.")))
    element.mount()
    box(page).fill("Hi")
    expect(button(page, "Send message")).to_be_enabled()
    button(page, "Send message").hover()
    page.mouse.down()
    page.mouse.up()
    # The server was quick: "stop" already stands where "send" was.
    expect(button(page, "Stop answering")).to_be_enabled()
    page.mouse.down(click_count=2)
    page.mouse.up(click_count=2)
    gate.open()
    expect(page.get_by_role("article").nth(1)).to_contain_text("So.")
    expect(page.get_by_text("was stopped")).to_have_count(0)


def test_forced_colours_keep_everything_to_be_told_apart(
    browser: Browser, server: ScriptedServer
) -> None:
    context = browser.new_context(
        base_url=server.url, viewport={"width": 380, "height": 600}, forced_colors="active"
    )
    page = context.new_page()
    element = ElementPage(page)
    cited = source("/docs/a#b", "A page", "B", 3)
    server.stream("threads.create", created(), done(answer("So.", annotations=[cited])))
    element.mount(threadItemActions={"feedback": True})
    element.ask("Hi")
    expect(page.get_by_role("region", name="Sources")).to_be_visible()
    # Grounds are gone: what they told apart has an edge.
    for part in ("article.question", ".cite", ".number", ".send", ".field", ".source"):
        style = page.locator(part).first.evaluate(
            "(it) => { const { borderTopStyle, borderTopWidth } = getComputedStyle(it);"
            " return [borderTopStyle, parseFloat(borderTopWidth)]; }"
        )
        assert style[0] == "solid", part
        assert style[1] >= 1, part
    good = button(page, "Good answer")
    edge = "(it) => getComputedStyle(it).border"
    unpressed = good.evaluate(edge)
    server.answer("items.feedback", {})
    good.click()
    expect(good).to_have_attribute("aria-pressed", "true")
    assert good.evaluate(edge) != unpressed
    context.close()


def test_a_phone_does_not_zoom_into_a_field(browser: Browser, server: ScriptedServer) -> None:
    context = browser.new_context(
        base_url=server.url,
        viewport={"width": 390, "height": 780},
        has_touch=True,
        is_mobile=True,
    )
    page = context.new_page()
    # Smaller than what Safari zooms into; the tag is marked behind the text, in letters as large.
    theme = {"colorScheme": "light", "typography": {"baseSize": 14, "openSource": []}}
    ElementPage(page).mount(theme=theme)
    box(page).fill("Hi")
    assert box(page).evaluate("(it) => parseFloat(getComputedStyle(it).fontSize)") >= 16
    assert box(page).get_attribute("enterkeyhint") == "send"
    send = button(page, "Send message")
    assert send.evaluate("(it) => getComputedStyle(it).fontSize") == "14px"
    context.close()


def test_enter_and_escape_belong_to_a_word_that_is_put_together(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    element.mount()
    box(page).fill("日本")
    # As Safari tells of the key that ends the word.
    composed = """(field, key) => !field.dispatchEvent(new KeyboardEvent('keydown', {
      key, keyCode: 229, bubbles: true, composed: true, cancelable: true,
    }))"""
    assert box(page).evaluate(composed, "Enter") is False
    expect(box(page)).to_have_value("日本")
    server.answer("threads.list", {"data": [thread(title="Notes")], "has_more": False})
    button(page, "Chat history").click()
    button(page, "Rename “Notes”").click()
    name = page.get_by_role("textbox", name="Name of the chat")
    assert name.evaluate(composed, "Escape") is False
    expect(name).to_be_visible()
    name.press("Escape")
    expect(name).to_be_hidden()
    assert [request["type"] for request in server.requests] == ["threads.list"]


def test_a_field_that_the_browser_fills_in_breaks_nothing(element: ElementPage, page: Page) -> None:
    element.mount()
    # Chromium sends such an event, which has no key.
    filled = "(field) => field.dispatchEvent(new Event('keydown', { bubbles: true }))"
    assert box(page).evaluate(filled) is True


def test_a_chat_that_was_hidden_at_first_has_its_text_field(
    element: ElementPage, page: Page
) -> None:
    hidden = "document.body.style.display = 'none'"
    page.add_init_script(f"addEventListener('DOMContentLoaded', () => {{ {hidden} }})")
    element.mount()
    painted = "() => document.getElementById('chat').shadowRoot.querySelector('textarea')"
    wait_until(page, painted)
    page.evaluate("document.body.style.display = ''")
    expect(box(page)).to_be_visible()
    place = box(page).bounding_box()
    assert place is not None
    assert place["height"] > 30


def test_a_chat_that_comes_back_to_the_page_reads_what_was_written(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    gate = server.gate()
    asked = question("Hi")
    server.stream(
        "threads.create", created(), done(asked), begun(), delta("It begins"), gate, delta(" and")
    )
    element.mount()
    element.ask("Hi")
    expect(page.get_by_role("article").nth(1)).to_contain_text("It begins")
    # A framework puts what is not shown aside, and shows the same element again.
    whole = page_of([asked, answer("It begins and ends.")])
    server.answer("threads.get_by_id", {**thread(), "items": whole})
    page.evaluate("(window.chat = document.getElementById('chat')).remove()")
    assert server.hung_up.wait(60)
    gate.open()
    page.evaluate("document.body.append(window.chat)")
    expect(page.get_by_role("article").nth(1)).to_contain_text("It begins and ends.")


def test_what_cannot_be_drawn_leaves_the_rest_of_the_chat_alone(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    hostile = done(answer(">" * 20_000 + " deep"))
    server.stream("threads.create", created(), done(question("Hi")), hostile)
    more = done(question("More", "msg_2")), done(answer("All is well.", "msg_3"))
    server.stream("threads.add_user_message", *more)
    element.mount()
    element.ask("Hi")
    expect(page.get_by_text("This part of the chat could not be loaded.")).to_be_visible()
    element.ask("More")
    expect(page.get_by_role("article").last).to_contain_text("All is well.")


def test_colours_may_be_written_in_any_notation(element: ElementPage, page: Page) -> None:
    red = "oklch(0.627955 0.257683 29.2339)"
    color = {"accent": {"primary": red, "level": 1}}
    element.mount(theme={"colorScheme": "light", "color": color})
    box(page).fill("x")
    expect(button(page, "Send message")).to_have_css("background-color", "rgb(255, 0, 0)")


def test_the_chats_own_page_makes_room_for_a_phones_keyboard(
    page: Page, server: ScriptedServer
) -> None:
    page.goto("/chat")
    viewport = page.locator("meta[name=viewport]").get_attribute("content") or ""
    assert re.search(r"interactive-widget=resizes-content", viewport)
