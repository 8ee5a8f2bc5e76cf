"""The bubble of the script tag: marked texts, pages from right to left, a phone's keyboard."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.element import Held
from tests.browser.pages import Pages
from tests.browser.test_circumstances import PHONE
from tests.browser.test_other_sites import AXE, bubble, composer, panel, tag
from tests.fixtures.app import StartServer

pytestmark = pytest.mark.browser

ARTICLE = "<main><h1>Neon</h1><p id='words'>The pooled host takes many connections.</p></main>"
MARK = "getSelection().selectAllChildren(document.getElementById('words'))"
RULES = "async () => (await axe.run()).violations.map(({ id, nodes }) => [id, nodes[0].html])"


@pytest.fixture
def server(pages: Pages, start_server: StartServer) -> Iterator[str]:
    with start_server(allowed_origins=[pages.url]) as url:
        yield url


@pytest.fixture
def context(browser: Browser, server: str) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    context.set_default_timeout(30_000)
    yield context
    context.close()


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A page on a phone, whose keyboard is the test's to show."""
    context = browser.new_context(
        viewport={"width": 390, "height": 780}, has_touch=True, reduced_motion="reduce"
    )
    page = context.new_page()
    page.add_init_script(f"({PHONE})()")
    yield page
    context.close()


def test_a_marked_text_is_asked_about_and_nothing_is_loaded_before(
    page: Page, pages: Pages, server: str
) -> None:
    scripts: list[str] = []
    page.on(
        "request",
        lambda request: (
            scripts.append(request.url.rsplit("/", 1)[-1])
            if request.resource_type == "script"
            else None
        ),
    )
    page.goto(pages.put("/", ARTICLE + tag(server, **{"data-ask": "Frag dazu"})))
    page.locator("#words").click()
    assert scripts == ["chatkit-bubble.js"]

    page.evaluate(MARK)
    asking = page.get_by_role("button", name="Frag dazu")
    expect(asking).to_be_visible()
    assert scripts == ["chatkit-bubble.js", "chatkit-selection.js"]
    asking.click()

    expect(panel(page).get_by_text("The pooled host takes many connections.")).to_be_visible()
    expect(composer(page)).to_be_focused()
    with page.expect_request(lambda request: "quoted_text" in (request.post_data or "")):
        composer(page).fill("Why?")
        panel(page).get_by_role("button", name="Send message").click()


def test_the_focus_stays_with_a_reader_who_goes_on_while_the_chat_is_loading(
    page: Page, pages: Pages, server: str
) -> None:
    page.goto(pages.put("/", ARTICLE + "<input aria-label='Search'>" + tag(server)))
    held = Held(page, "**/chatkit-panel.js")
    with page.expect_request("**/chatkit-panel.js"):
        bubble(page).click()
    page.get_by_label("Search").fill("Neon")
    held.release()

    expect(composer(page)).to_be_visible()
    # It is ready by then, and has taken the focus if it does.
    page.evaluate("DocsChatKit.load().then((chat) => chat.setComposerValue({ text: 'Hi' }))")
    page.keyboard.type(" pool")
    expect(page.get_by_label("Search")).to_have_value("Neon pool")
    bubble(page).click()
    bubble(page).click()
    expect(composer(page)).to_be_focused()


def test_a_chat_that_was_loaded_before_takes_the_focus_when_it_is_opened(
    page: Page, pages: Pages, server: str
) -> None:
    page.goto(pages.put("/", ARTICLE + "<input aria-label='Search'>" + tag(server)))
    held = Held(page, "**/chatkit-panel.js")
    with page.expect_request("**/chatkit-panel.js"):
        page.evaluate("window.loaded = DocsChatKit.load(); null")
    page.get_by_label("Search").fill("Neon")
    held.release()
    page.evaluate("loaded.then(() => null)")
    bubble(page).click()
    expect(composer(page)).to_be_focused()


def test_a_chat_that_is_closed_while_it_is_loading_stays_closed(
    page: Page, pages: Pages, server: str
) -> None:
    page.goto(pages.put("/", ARTICLE + tag(server)))
    page.evaluate("() => Promise.all([DocsChatKit.open(), DocsChatKit.close()])")
    expect(panel(page)).to_have_count(0)


def test_a_page_may_do_without_the_offer(page: Page, pages: Pages, server: str) -> None:
    page.goto(pages.put("/", ARTICLE + tag(server, **{"data-ask": ""})))
    page.evaluate(MARK)
    bubble(page).click()
    expect(composer(page)).to_be_visible()
    expect(page.locator(".chatkit-ask")).to_have_count(0)


def test_a_page_from_right_to_left_has_no_accessibility_violations(
    page: Page, pages: Pages, server: str
) -> None:
    page.goto(pages.put("/", ARTICLE + tag(server)))
    page.evaluate("document.documentElement.dir = 'rtl'")
    page.evaluate(AXE.read_text())
    assert page.evaluate(RULES) == []
    bubble(page).click()
    composer(page).fill("How do I connect to Neon?")
    panel(page).get_by_role("button", name="Send message").click()
    expect(panel(page).get_by_role("button", name="Copy answer")).to_be_visible()
    assert page.evaluate(RULES) == []
    # The list of the sources and what the reader said stand where lines begin and end.
    said = panel(page).get_by_role("article").first.bounding_box()
    around = panel(page).bounding_box()
    assert said is not None
    assert around is not None
    assert said["x"] - around["x"] < around["width"] / 4


def test_the_composer_stays_above_a_phones_keyboard(phone: Page, pages: Pages, server: str) -> None:
    phone.goto(pages.put("/", ARTICLE + tag(server)))
    bubble(phone).tap()
    expect(composer(phone)).to_be_visible()

    phone.evaluate("keyboard(300)")
    dialog = panel(phone).bounding_box()
    field = composer(phone).bounding_box()
    assert dialog is not None
    assert field is not None
    assert (dialog["y"], dialog["height"]) == (30, 480)
    assert 30 < field["y"] < field["y"] + field["height"] <= 510

    # The keyboard goes, or the reader zooms in: the panel has the screen again.
    for change in ("keyboard(0)", "keyboard(300, 2)"):
        phone.evaluate("keyboard(300)")
        phone.evaluate(change)
        whole = panel(phone).bounding_box()
        assert whole is not None
        assert (whole["y"], whole["height"]) == (0, 780)


def test_the_composer_is_whole_on_a_phone_that_lies_on_its_side(
    phone: Page, pages: Pages, server: str
) -> None:
    phone.set_viewport_size({"width": 740, "height": 360})
    phone.goto(pages.put("/", ARTICLE + tag(server, **{"data-disclaimer": "May be wrong."})))
    bubble(phone).tap()
    heading = panel(phone).get_by_role("heading", name="Ask the docs")
    expect(heading).to_be_visible()

    phone.evaluate("keyboard(220)")
    composer(phone).fill("Line\n" * 8)

    expect(heading).to_be_hidden()
    for part in (composer(phone), panel(phone).get_by_role("button", name="Send message")):
        box = part.bounding_box()
        assert box is not None
        # The keyboard leaves 140 pixels, of which the browser shows those from 22 on.
        assert 22 <= box["y"] < box["y"] + box["height"] <= 162
    phone.evaluate("keyboard(0)")
    expect(heading).to_be_visible()


def test_the_bubble_and_the_open_chat_stay_when_the_body_is_another(
    page: Page, pages: Pages, server: str
) -> None:
    page.goto(pages.put("/", ARTICLE + tag(server)))
    bubble(page).click()
    expect(composer(page)).to_be_focused()
    composer(page).fill("How do I connect")
    # As Turbo and Astro go to another page.
    page.evaluate(
        """html => {
          const body = document.createElement('body');
          body.append(new DOMParser().parseFromString(html, 'text/html').body.firstChild);
          document.body.replaceWith(body);
        }""",
        ARTICLE.replace("The pooled host", "Another host"),
    )

    expect(page.get_by_text("Another host takes many connections.")).to_be_visible()
    expect(bubble(page)).to_have_count(1)
    expect(composer(page)).to_have_value("How do I connect")
    page.evaluate(MARK)
    page.get_by_role("button", name="Ask about this").click()
    expect(panel(page).get_by_text("Another host takes many connections.")).to_be_visible()


def test_the_bubble_takes_no_place_and_keeps_its_own(page: Page, pages: Pages, server: str) -> None:
    style = """<style>
      body { display: flex; flex-direction: column; gap: 50px; margin: 0 }
      body > * { position: relative; min-height: 300px; padding: 40px; transform: scale(1) }
    </style>"""
    page.goto(pages.put("/", ARTICLE, head=style))
    height = page.evaluate("document.documentElement.scrollHeight")
    page.goto(pages.put("/", ARTICLE + tag(server), head=style))

    expect(bubble(page)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollHeight") == height
    box = {"x": 1280 - 20 - 56, "y": 800 - 20 - 56, "width": 56, "height": 56}
    assert bubble(page).bounding_box() == box


def test_without_storage_a_change_of_the_look_is_no_change_of_the_visitor(
    page: Page, pages: Pages, server: str
) -> None:
    page.add_init_script(
        """Object.defineProperty(window, 'localStorage', {
          get() { throw new DOMException('blocked', 'SecurityError'); },
        });"""
    )
    page.goto(pages.put("/", ARTICLE + tag(server)))
    bubble(page).click()
    answers = panel(page).get_by_role("button", name="Copy answer")
    for asked in (1, 2):
        composer(page).fill("How do I connect to Neon?")
        panel(page).get_by_role("button", name="Send message").click()
        expect(answers).to_have_count(asked)
        page.evaluate("document.body.style.background = '#111'")
        expect(composer(page)).not_to_have_css("color", "rgb(27, 31, 38)")


def test_a_question_of_the_page_waits_for_the_answer_that_is_written(
    page: Page, pages: Pages, server: str
) -> None:
    page.goto(pages.put("/", ARTICLE + tag(server)))
    bubble(page).click()
    expect(composer(page)).to_be_focused()
    # A server that is slow to answer.
    page.route("**/chatkit", lambda route: None)
    page.evaluate("void DocsChatKit.ask('How do I connect to Neon?')")
    expect(panel(page).get_by_role("button", name="Stop answering")).to_be_visible()

    page.evaluate("void DocsChatKit.ask('And from where?')")

    expect(composer(page)).to_have_value("And from where?")
    page.unroute_all(behavior="ignoreErrors")
