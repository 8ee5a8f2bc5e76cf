"""Text that is marked on a Docusaurus page: by the reader, to ask about it, and by a citation."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.site import ScriptedSite
from tests.browser.test_plugin import AXE, PHONE, ask, composer, open_chat, panel

pytestmark = pytest.mark.browser

PARAGRAPH = "main article p >> nth=1"
MARKED = "() => [...CSS.highlights.get('chatkit-passage') ?? []].map(String).join()"


@pytest.fixture
def context(browser: Browser, site: ScriptedSite) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(30_000)
    yield context
    context.close()


def asking(page: Page) -> Locator:
    return page.get_by_role("button", name="Ask about this")


def quote(page: Page) -> Locator:
    return panel(page).locator(".composer .quote")


def test_a_marked_text_is_asked_about(page: Page, site: ScriptedSite) -> None:
    scripts: list[str] = []
    page.on(
        "request",
        lambda request: scripts.append(request.url) if request.resource_type == "script" else None,
    )
    page.goto(f"{site.url}/docs/neon", wait_until="networkidle")
    page.locator("main h1").click()
    before = list(scripts)

    page.locator(PARAGRAPH).click(click_count=3)

    expect(asking(page)).to_be_in_viewport(ratio=1)
    assert len(set(scripts) - set(before)) == 1
    text = page.evaluate("getSelection().toString().trim()")
    page.evaluate(AXE.read_text())
    violations = page.evaluate(
        "async () => (await axe.run('.chatkit-ask')).violations.map(({ id }) => id)"
    )
    assert violations == []
    asking(page).click()
    expect(asking(page)).to_be_hidden()
    expect(quote(page)).to_have_text(text)
    expect(composer(page)).to_be_focused()
    assert site.requests == []
    ask(page, "What does this mean?")
    (_, body) = site.requests[-1]
    assert body["params"]["input"]["quoted_text"] == text


def test_the_keyboard_asks_too_and_escape_hides_the_offer(page: Page, site: ScriptedSite) -> None:
    page.goto(f"{site.url}/docs/neon")
    mark = "node => getSelection().selectAllChildren(node)"
    page.locator(PARAGRAPH).evaluate(mark)
    expect(asking(page)).to_be_visible()
    page.keyboard.press("Escape")
    expect(asking(page)).to_be_hidden()
    page.evaluate("getSelection().empty()")
    page.locator("main h1").evaluate(mark)
    expect(asking(page)).to_be_visible()
    assert asking(page).get_attribute("aria-keyshortcuts") == "Alt+Q"

    page.keyboard.press("Alt+q")

    expect(quote(page)).to_have_text(page.locator("main h1").inner_text().strip())


def test_a_long_text_is_cut_and_a_text_of_ones_own_is_left_alone(
    page: Page, site: ScriptedSite
) -> None:
    page.goto(f"{site.url}/docs/neon")
    page.locator("main article").evaluate("node => getSelection().selectAllChildren(node)")
    expect(asking(page)).to_be_in_viewport(ratio=1)
    page.keyboard.press("Alt+q")
    expect(quote(page)).to_contain_text("…")
    assert len(quote(page).inner_text()) < 1100

    # What is in no part of the content: the menu, and what is written.
    for marked in ("nav.navbar a >> nth=0", "nav.menu a >> nth=0"):
        page.locator(marked).evaluate("node => getSelection().selectAllChildren(node)")
        page.keyboard.press("Shift")
        expect(asking(page)).to_be_hidden()
    page.locator("main article").evaluate(
        "node => { node.append(Object.assign(document.createElement('div'),"
        " { contentEditable: true, id: 'mine', textContent: 'My own text' })) }"
    )
    page.locator("#mine").evaluate("node => getSelection().selectAllChildren(node)")
    expect(asking(page)).to_be_hidden()


def test_a_touch_screen_offers_it_too(browser: Browser, site: ScriptedSite) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"{site.url}/docs/neon")
    page.locator(PARAGRAPH).evaluate(
        "node => { node.scrollIntoView(); getSelection().selectAllChildren(node) }"
    )
    expect(asking(page)).to_be_in_viewport(ratio=1)

    asking(page).tap()

    expect(quote(page)).to_be_visible()
    context.close()


def test_a_citation_marks_its_words_on_another_page_and_on_this_one(
    page: Page, site: ScriptedSite
) -> None:
    page.goto(site.url + site.heading.url)
    cited = page.locator(f'main [id="{site.heading.id}"] + p').inner_text()
    site.cited = " ".join(cited.split())[:200]
    page.goto(site.url)
    page.evaluate("window.notReloaded = true")
    open_chat(page)
    ask(page)
    cite = panel(page).locator(".cite").first
    assert ":~:text=" in (cite.get_attribute("href") or "")

    for _ in range(2):
        cite.click()

        page.wait_for_function(f"({MARKED})() !== ''")
        assert " ".join(page.evaluate(MARKED).split())[:40] == site.cited[:40]
        expect(page.locator(f'main [id="{site.heading.id}"] + p')).to_be_in_viewport()
        assert page.url.split(":~:")[0].replace("/#", "#") == site.url + site.heading.url
        assert page.evaluate("window.notReloaded") is True
        expect(composer(page)).to_be_visible()
        page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
        expect(page.locator(f'main [id="{site.heading.id}"] + p')).not_to_be_in_viewport()

    # Gone with the page that it was on.
    page.get_by_role("navigation", name="Main").get_by_text("Docs", exact=True).click()
    page.wait_for_function(f"({MARKED})() === ''")
