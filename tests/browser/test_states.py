"""Every state of the chat is accessible in light, dark and right to left, and by keyboard alone."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.composer import box, button, check_accessibility
from tests.browser.element import ElementPage
from tests.browser.events import (
    answer,
    begun,
    created,
    delta,
    done,
    item,
    page_of,
    question,
    source,
    thread,
)
from tests.browser.gallery import WIDGETS
from tests.browser.long_answer import long_text, turn
from tests.browser.protocol import Event, ScriptedServer
from tests.browser.test_composer import MODELS, TOOLS

pytestmark = pytest.mark.browser

PROMPTS = [{"label": "Connect Neon", "prompt": "How do I connect Neon?", "icon": "book-open"}]
OPTIONS: dict[str, Any] = {
    "startScreen": {"greeting": "Ask the docs", "prompts": PROMPTS},
    "composer": {"tools": TOOLS, "models": MODELS},
    "history": {"enabled": True, "showDelete": True, "showRename": True},
    "threadItemActions": {"feedback": True, "retry": True},
    "disclaimer": {"text": "Answers may be [wrong](/docs/limits)."},
}
NOTICE: Event = {
    "type": "notice",
    "level": "warning",
    "title": "Cut",
    "message": "The answer is **cut**.",
}
FORM = item(
    "structured_input",
    "form_1",
    status="pending",
    inputs=[
        {
            "id": "os",
            "question": "Which system?",
            "type": "multiple_choice",
            "options": [{"value": "Linux"}, {"value": "macOS"}],
        },
        {"id": "more", "question": "Anything else?", "type": "freeform"},
    ],
)
WORK = item(
    "workflow",
    "wf_1",
    workflow={
        "type": "custom",
        "tasks": [
            {"type": "web_search", "title_query": "pooling", "status_indicator": "complete"},
            {"type": "thought", "title": "Thinking", "content": "About **pools**."},
        ],
    },
)
# The texts have colours that their author chose.
SHOWN = {name: widget for name, widget in WIDGETS.items() if name != "texts"}
WRITING = "The answer is being written."
WRITTEN = "The answer is complete, with 6 sources."
# Clips nothing and scrolls nowhere sideways.
OVERFLOW = """() => {
  const app = document.getElementById('chat').shadowRoot.querySelector('.app');
  return [app, document.documentElement].map((node) => node.scrollWidth - node.clientWidth);
}"""


def check(page: Page) -> None:
    check_accessibility(page)
    assert page.evaluate(OVERFLOW) == [0, 0]


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_state_is_accessible(
    element: ElementPage, server: ScriptedServer, page: Page, scheme: str, direction: str
) -> None:
    gate = server.gate()
    text = long_text(1)
    # Within the address of a link, where no mark can stand: it comes after the link.
    cited = source("/docs/neon#pooling", "Neon", "Pooling", 100)
    server.stream(
        "threads.create",
        created(title="Connect"),
        done(question("How?") | {"quoted_text": "the pooled host"}),
        {"type": "progress_update", "text": "Reading the docs"},
        done(WORK),
        begun(),
        delta(text[:300]),
        gate,
        done(answer(text, annotations=[cited])),
        NOTICE,
        *(done(item("widget", f"w_{name}", widget=widget)) for name, widget in SHOWN.items()),
        done(FORM),
    )
    element.mount(theme={"colorScheme": scheme}, **OPTIONS)
    page.evaluate("direction => { document.documentElement.dir = direction }", direction)
    expect(page.get_by_role("heading", name="Ask the docs")).to_be_visible()
    check(page)

    button(page, "Tools").click()
    expect(page.get_by_role("menu")).to_be_visible()
    check(page)
    page.keyboard.press("Escape")

    element.ask("How?")
    expect(button(page, "Stop answering")).to_be_visible()
    expect(page.get_by_role("heading", name="Step 1: connect service 1")).to_be_visible()
    check(page)

    gate.open()
    expect(page.get_by_role("region", name="Questions for you")).to_be_visible()
    expect(button(page, "Copy answer")).to_be_attached()
    expect(page.get_by_role("table").first).to_be_attached()
    check(page)
    page.locator("a[href='/docs/service-1'] + * .cite, a[href='/docs/service-1'] + .cite").focus()
    check(page)

    threads = [thread(f"thr_{n}", f"Chat {n}") for n in (2, 1)]
    server.answer("threads.list", page_of(threads))
    button(page, "Chat history").click()
    expect(page.get_by_role("listitem")).to_have_count(2)
    check(page)
    button(page, "Rename “Chat 2”").click()
    expect(page.get_by_role("textbox", name="Name of the chat")).to_be_focused()
    check(page)
    page.keyboard.press("Escape")
    button(page, "Delete “Chat 1”").click()
    expect(button(page, "Cancel")).to_be_focused()
    check(page)
    button(page, "Cancel").click()

    button(page, "New chat").click()
    server.refuse("threads.create", 503, "The database is away.")
    element.ask("Again?")
    expect(page.get_by_role("alert")).to_contain_text("The database is away.")
    check(page)


def test_a_screen_reader_hears_of_a_long_answer_twice(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    gate = server.gate()
    events = list(turn(long_text(6), 600))
    server.stream("threads.create", *events[:300], gate, *events[300:])
    element.mount()
    expect(box(page)).to_be_visible()
    page.evaluate(
        """() => {
          window.heard = [];
          const root = document.getElementById('chat').shadowRoot;
          const live = '[aria-live]:not([aria-live=off]), [role=status], [role=alert]';
          new MutationObserver((records) => {
            for (const { target } of records) {
              const near = target instanceof Element ? target : target.parentElement;
              const region = near?.closest(live);
              if (region) window.heard.push(region.textContent.trim());
            }
          }).observe(root, { childList: true, characterData: true, subtree: true });
        }"""
    )
    element.ask("Explain everything.")
    expect(page.get_by_role("status")).to_have_text(WRITING)
    gate.open()
    expect(button(page, "Copy answer")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text(WRITTEN)
    heard = page.evaluate("window.heard")
    assert [text for text in dict.fromkeys(heard) if text] == [WRITING, WRITTEN]
    assert len(heard) <= 4


def test_tab_leads_through_everything_and_shows_where_it_is(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    text = "See [the page](/docs/a).\n\n```sh\nls\n```\n"
    cited = source("/docs/a#b", "Page", "Heading", 8)
    server.stream("threads.create", created(), done(answer(text, annotations=[cited])))
    element.mount(**OPTIONS)
    element.ask("Hi")
    expect(button(page, "Copy answer")).to_be_visible()
    expect(button(page, "Tools")).to_be_visible()
    page.evaluate(
        """() => {
          const before = document.createElement('button');
          document.body.prepend(before);
          before.focus();
        }"""
    )
    seen: list[str] = []
    hidden: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """() => {
              const node = document.getElementById('chat').shadowRoot.activeElement;
              if (!node) return null;
              const shows = (other) => {
                const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(other);
                return (outlineStyle !== 'none' && parseFloat(outlineWidth) > 0)
                  || boxShadow !== 'none';
              };
              const parents = [];
              for (let at = node; at && parents.length < 4; at = at.parentElement) parents.push(at);
              const name = node.getAttribute('aria-label') ?? node.textContent;
              return [name.trim(), parents.some(shows)];
            }"""
        )
        if found is None:
            break
        seen.append(found[0])
        if not found[1]:
            hidden.append(found[0])
    assert found is None, "the focus never leaves the chat"
    assert hidden == []
    for name in ("Chat history", "Copy code", "Copy answer", "Good answer", "Tools", "Message"):
        assert name in seen
    assert seen.index("Copy answer") < seen.index("Message")
