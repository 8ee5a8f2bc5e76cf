"""Readers who are quicker than the page, its files or its server."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.composer import box, button
from tests.browser.element import ElementPage, wait_until
from tests.browser.events import answer, created, done, question
from tests.browser.protocol import ScriptedServer

pytestmark = pytest.mark.browser

HOLD_FRAMES = """() => {
  const real = window.requestAnimationFrame;
  const held = [];
  window.requestAnimationFrame = (paint) => held.push(paint);
  window.releaseFrames = () => {
    window.requestAnimationFrame = real;
    for (const paint of held) real(paint);
  };
}"""
MICROPHONE = """
  window.streams = [];
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  const allowed = new Promise((allow) => { window.allow = allow });
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    await allowed;
    const stream = await ask(wanted);
    window.streams.push(stream);
    return stream;
  };
"""


def test_what_is_typed_right_after_enter_is_the_next_message(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    server.stream("threads.create", created(), done(question("Hi")), done(answer("Hello.")))
    element.mount()
    box(page).fill("Hi")
    expect(button(page, "Send message")).to_be_enabled()
    page.evaluate(HOLD_FRAMES)
    page.keyboard.press("Enter")
    page.keyboard.type("And")
    page.evaluate("releaseFrames()")
    expect(page.get_by_text("Hello.")).to_be_visible()
    expect(box(page)).to_have_value("And")


def test_a_second_enter_before_the_page_is_painted_sends_nothing(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    server.stream("threads.create", created(), done(question("Hi")), done(answer("Hello.")))
    element.mount()
    box(page).fill("Hi")
    expect(button(page, "Send message")).to_be_enabled()
    page.evaluate(HOLD_FRAMES)
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.evaluate("releaseFrames()")
    expect(page.get_by_text("Hello.")).to_be_visible()
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
            if (text) await new Promise((found) => { window.find = found });
            return ['Ada', 'Bob'].filter((title) => title.toLowerCase().startsWith(text))
              .map((title) => ({ id: title, title }));
          } },
        })"""
    )
    box(page).press_sequentially("Ask @")
    entries = page.get_by_role("listbox", name="Suggestions").get_by_role("option")
    expect(entries).to_have_text(["Ada", "Bob"])
    page.keyboard.type("b")
    wait_until(page, "() => window.find")
    page.keyboard.press("Enter")
    page.evaluate("find()")
    expect(box(page)).to_have_value("Ask @Bob ")


def test_dictation_that_is_begun_twice_lets_go_of_the_microphone(
    hearing_browser: Browser, server: ScriptedServer
) -> None:
    context = hearing_browser.new_context(base_url=server.url)
    page = context.new_page()
    page.add_init_script(MICROPHONE)
    ElementPage(page).mount(composer={"dictation": {"enabled": True}})
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
