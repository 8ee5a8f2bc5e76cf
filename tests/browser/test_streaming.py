"""A long answer is shown as it comes, and what is already there is left alone."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.element import ElementPage, wait_until
from tests.browser.events import answer, begun, created, delta, page_of, question, thread
from tests.browser.long_answer import long_text, turn
from tests.browser.protocol import ScriptedServer

pytestmark = pytest.mark.browser

DELTAS = 3000
COUNT = """() => {
  const count = (window.count = { coloured: {}, changed: 0, deltas: 0 });
  // Whoever renders a block of code asks for its colours.
  const highlight = (code) => {
    count.coloured[code] = (count.coloured[code] ?? 0) + 1;
    return null;
  };
  const chat = document.getElementById('chat');
  chat.setOptions({ api: { url: '/chatkit', domainKey: 'local' }, highlight });
}"""
OBSERVE = """() => {
  window.count.coloured = {};
  const markdown = document.getElementById('chat').shadowRoot.querySelector('.markdown');
  const settled = [...markdown.children].slice(0, -2);
  const observer = new MutationObserver((records) => { window.count.changed += records.length; });
  for (const block of settled) {
    observer.observe(block, {
      attributes: true, characterData: true, childList: true, subtree: true,
    });
  }
  return settled.length;
}"""


def test_no_block_is_rendered_again_for_text_that_comes_after_it(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    gate = server.gate()
    events = list(turn(long_text(), DELTAS))
    half = len(events) // 2
    server.stream("threads.create", *events[:half], gate, *events[half:])
    element.mount()
    page.evaluate(COUNT)
    element.ask("Explain everything.")
    expect(page.get_by_role("heading", name="Step 12: connect service 12")).to_be_visible()
    wait_until(page, "() => Object.keys(window.count.coloured).length > 10")
    before = page.evaluate("Object.keys(window.count.coloured)")
    settled = page.evaluate(OBSERVE)

    gate.open()

    expect(page.get_by_role("heading", name="Step 24: connect service 24")).to_be_visible()
    expect(page.get_by_role("button", name="Copy answer")).to_be_visible()
    count = page.evaluate("window.count")
    assert settled > 60
    assert count["changed"] == 0
    again = [code for code in before[:-1] if code in count["coloured"]]
    assert again == []
    # All the others were, at least once.
    assert len(count["coloured"]) >= 12
    shown = page.locator(".markdown pre").all_inner_texts()
    assert len(shown) == 24
    assert [text.count(f"DATABASE_URL_{n}=") for n, text in enumerate(shown, 1)] == [1] * 24
    assert page.locator(".cite").all_inner_texts() == [str(n) for n in range(1, 25)]


def test_an_address_that_comes_in_pieces_is_whole_in_the_end(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    gate = server.gate()
    text = "See [the page][1].\n\n- A list.\n\nMore.\n\nEnd.\n\n[1]: /docs/ne"
    server.stream("threads.create", created(), begun(), delta(text), gate, delta("on"))
    element.mount()
    element.ask("Hi")
    link = page.get_by_role("link", name="the page")
    expect(link).to_have_attribute("href", "/docs/ne")
    gate.open()
    expect(link).to_have_attribute("href", "/docs/neon")


def test_a_long_thread_opens_at_its_end_and_scrolls_to_its_beginning(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    text = long_text(1)
    items = [
        item
        for n in range(100)
        for item in (question(f"Question {n}", f"msg_q{n}"), answer(text, f"msg_a{n}"))
    ]
    server.answer("threads.get_by_id", {**thread(), "items": page_of(items[:20], after="msg_a9")})
    for start in range(20, 200, 100):
        rest = items[start : start + 100]
        more = start + 100 < len(items)
        server.answer("items.list", page_of(rest, after=rest[-1]["id"] if more else None))
    element.mount(initialThread="thr_1")

    expect(page.get_by_role("article")).to_have_count(200, timeout=60_000)
    expect(page.get_by_role("article").last).to_be_in_viewport()
    log = page.get_by_role("log")
    log.press("Home")
    expect(page.get_by_text("Question 0", exact=True)).to_be_in_viewport()
    log.press("End")
    expect(page.get_by_role("button", name="Copy answer").last).to_be_in_viewport()
