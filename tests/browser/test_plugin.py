"""The bubble on the built documentation site, in a real browser."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    APIResponse,
    Browser,
    BrowserContext,
    Locator,
    Page,
    Request,
    Route,
    ViewportSize,
    expect,
)

from tests.browser.element import wait_until
from tests.browser.site import OUTSIDE, WEB, ScriptedSite
from tests.browser.test_circumstances import PHONE as KEYBOARD

pytestmark = pytest.mark.browser

FIRST = "This is the first sentence."
SECOND = "This is the second sentence."
AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
FAILED = "The chat could not be loaded. Try again, or reload the page."
PHONE: ViewportSize = {"width": 390, "height": 844}


@pytest.fixture
def context(browser: Browser, site: ScriptedSite) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    context.set_default_timeout(30_000)
    yield context
    context.close()


def bubble(page: Page) -> Locator:
    return page.get_by_role("button", name="Ask the docs")


def panel(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Ask the docs")


def composer(page: Page) -> Locator:
    return panel(page).get_by_role("textbox")


def open_chat(page: Page) -> None:
    bubble(page).click()
    expect(composer(page)).to_be_focused()


def ask(page: Page, question: str = "How do I connect it to Neon?") -> None:
    composer(page).fill(question)
    expect(panel(page).get_by_role("button", name="Send message")).to_be_enabled()
    composer(page).press("Enter")
    expect(panel(page)).to_contain_text(FIRST)


@pytest.mark.parametrize("path", ["/", "/docs/getting-started", "/docs/neon", "/nothing-here"])
def test_the_bubble_is_on_every_page(page: Page, site: ScriptedSite, path: str) -> None:
    page.goto(site.url + path)

    expect(bubble(page)).to_be_visible()
    expect(bubble(page)).to_have_attribute("aria-expanded", "false")


def test_the_chat_is_loaded_by_the_first_click(page: Page, site: ScriptedSite) -> None:
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request))
    page.goto(site.url + "/docs/neon", wait_until="networkidle")
    before = {request.url for request in requests if request.resource_type == "script"}

    open_chat(page)

    after = {request.url for request in requests if request.resource_type == "script"} - before
    code = {url: page.request.get(url).text() for url in before | after}
    assert before
    assert [url for url in before if "attachShadow" in code[url]] == []
    assert len([url for url in after if "attachShadow" in code[url]]) == 1
    assert site.requests == []


def test_the_focus_stays_with_a_reader_who_goes_on_while_the_chat_is_loading(
    page: Page, site: ScriptedSite
) -> None:
    page.goto(site.url)
    page.evaluate("document.body.prepend(document.createElement('textarea'))")
    held: list[tuple[Route, APIResponse]] = []

    def hold(route: Route) -> None:
        response = route.fetch()
        if "attachShadow" in response.text():
            held.append((route, response))
            page.evaluate("window.held = true")
        else:
            route.fulfill(response=response)

    page.route("**/assets/js/*.js", hold)
    bubble(page).click()
    expect(panel(page)).to_be_focused()
    page.locator("body > textarea").fill("Neon")
    wait_until(page, "() => window.held")
    for route, response in held:
        route.fulfill(response=response)

    expect(composer(page)).to_be_visible()
    page.keyboard.type(" pool")
    expect(page.locator("body > textarea")).to_have_value("Neon pool")


def test_the_chat_is_heard_on_a_device_that_is_slow(page: Page, site: ScriptedSite) -> None:
    # React goes on by messages to itself, later than by what it does at once.
    page.add_init_script(
        """const { postMessage } = MessagePort.prototype;
        MessagePort.prototype.postMessage = function (message) {
          setTimeout(() => postMessage.call(this, message), 400);
        };"""
    )
    page.goto(site.url)
    open_chat(page)


def test_a_chat_that_is_closed_while_it_is_loading_stays_closed(
    page: Page, site: ScriptedSite
) -> None:
    page.goto(site.url)
    page.evaluate(
        """() => {
          for (const name of ['open', 'close']) dispatchEvent(new CustomEvent(`chatkit:${name}`));
        }"""
    )
    expect(page.locator("#chatkit-panel docs-chatkit")).to_have_count(1)
    expect(bubble(page)).to_have_attribute("aria-expanded", "false")


def test_nothing_is_asked_of_a_third_party(page: Page, site: ScriptedSite) -> None:
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.goto(site.url)
    open_chat(page)

    ask(page)

    expect(panel(page)).to_contain_text(SECOND)
    assert hosts == {urlsplit(site.url).netloc}


def test_the_answer_is_shown_while_it_is_written(page: Page, site: ScriptedSite) -> None:
    page.goto(site.url)
    open_chat(page)
    site.hold()

    ask(page)

    expect(panel(page)).not_to_contain_text(SECOND)
    site.release()
    expect(panel(page)).to_contain_text(SECOND)


def test_a_start_prompt_asks_its_question(page: Page, site: ScriptedSite) -> None:
    page.goto(site.url)
    open_chat(page)

    panel(page).get_by_text("How do I connect it to Neon?").click()

    expect(panel(page)).to_contain_text(SECOND)
    (_, body) = site.requests[-1]
    assert body["params"]["input"]["content"][0]["text"] == "How do I connect it to Neon?"


def test_a_citation_opens_its_heading_behind_the_chat(page: Page, site: ScriptedSite) -> None:
    page.goto(site.url)
    page.evaluate("window.notReloaded = true")
    open_chat(page)
    ask(page)

    panel(page).locator(f'a[href$="{site.heading.url}"]').first.click()

    page.wait_for_url(site.url + site.heading.url)
    heading = page.locator(f'main [id="{site.heading.id}"]')
    expect(heading).to_be_in_viewport()
    assert page.evaluate("window.notReloaded") is True
    expect(panel(page)).to_contain_text(SECOND)

    page.go_back()
    expect(page.get_by_role("link", name="Get started")).to_be_visible()
    assert page.evaluate("window.notReloaded") is True


def test_a_link_to_another_site_opens_a_tab(
    context: BrowserContext, page: Page, site: ScriptedSite
) -> None:
    context.route(OUTSIDE, lambda route: route.fulfill(body="elsewhere"))
    page.goto(site.url)
    open_chat(page)
    ask(page)

    with context.expect_page() as opened:
        panel(page).locator(f'a[href="{OUTSIDE}"]').first.click()

    assert opened.value.url == OUTSIDE
    assert opened.value.evaluate("window.opener") is None
    assert page.url == site.url + "/"


def test_the_answer_goes_on_while_the_page_changes(page: Page, site: ScriptedSite) -> None:
    page.goto(site.url)
    open_chat(page)
    site.hold()
    ask(page)

    page.get_by_role("navigation", name="Main").get_by_text("Docs", exact=True).click()
    page.wait_for_url("**/docs/getting-started")
    bubble(page).click()
    expect(panel(page)).to_be_hidden()
    site.release()

    bubble(page).click()
    expect(panel(page)).to_contain_text(SECOND)


def test_a_reload_brings_the_thread_back(page: Page, site: ScriptedSite) -> None:
    # The landing page has a chat of its own, with a visitor of its own.
    page.goto(site.url + "/docs/neon")
    open_chat(page)
    ask(page, "Where are the threads?")
    expect(panel(page)).to_contain_text(SECOND)
    # An answer is stored once it has come to its end.
    expect(panel(page).get_by_role("button", name="Send message")).to_be_visible()

    page.reload()
    open_chat(page)

    expect(panel(page)).to_contain_text("Where are the threads?")
    expect(panel(page)).to_contain_text(SECOND)
    secrets = {headers["x-session-id"] for headers, _ in site.requests}
    assert len(secrets) == 1
    assert len(secrets.pop()) >= 32


def test_the_server_learns_what_the_reader_sees(page: Page, site: ScriptedSite) -> None:
    page.goto(f"{site.url}/docs/neon?token=secret")
    open_chat(page)
    # What a site may choose beside the name of its locale.
    page.evaluate("document.documentElement.lang = 'en-GB'")

    ask(page)

    (_, body) = site.requests[-1]
    title = page.locator("main h1").inner_text()
    assert body["metadata"]["page"] == {
        "url": f"{site.url}/docs/neon/",
        "title": page.title(),
        "heading": title,
        "version": "current",
        "locale": "en",
    }


def test_the_chat_follows_the_dark_mode_of_the_site(page: Page, site: ScriptedSite) -> None:
    page.goto(site.url)
    open_chat(page)
    text = "element => getComputedStyle(element).color"
    light = composer(page).evaluate(text)

    page.evaluate("document.documentElement.dataset.theme = 'dark'")

    expect(composer(page)).not_to_have_css("color", light)
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    expect(composer(page)).to_have_css("color", light)


def test_code_is_coloured_like_the_code_of_the_site(page: Page, site: ScriptedSite) -> None:
    page.goto(site.url)
    open_chat(page)
    ask(page)
    variable = panel(page).locator("pre").get_by_text("PORT", exact=True)

    color = variable.evaluate("element => element.style.color")

    # The site loads this language for its own pages.
    assert color != ""
    assert panel(page).locator("pre").text_content() == "export PORT=8000\n\nserve"
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    expect(variable).not_to_have_css("color", color)


def test_bubble_and_chat_have_no_accessibility_violations(page: Page, site: ScriptedSite) -> None:
    page.goto(site.url + "/docs/neon")
    open_chat(page)
    ask(page)
    expect(panel(page)).to_contain_text(SECOND)

    page.evaluate(AXE.read_text())
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        violations = page.evaluate(
            """async () => (await axe.run({ include: ["#chatkit-panel", ".chatkit-bubble"] }))
                .violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)])"""
        )
        assert violations == []


def test_escape_closes_and_the_bubble_has_the_focus(page: Page, site: ScriptedSite) -> None:
    page.goto(site.url)
    bubble(page).focus()
    page.keyboard.press("Enter")
    expect(composer(page)).to_be_focused()
    expect(bubble(page)).to_have_attribute("aria-expanded", "true")
    page.keyboard.type("a draft")

    page.keyboard.press("Escape")

    expect(panel(page)).to_be_hidden()
    expect(bubble(page)).to_be_focused()
    expect(bubble(page)).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Enter")
    expect(composer(page)).to_have_value("a draft")
    expect(composer(page)).to_be_focused()


def test_a_closed_chat_is_out_of_the_way(page: Page, site: ScriptedSite) -> None:
    page.goto(site.url)
    open_chat(page)

    bubble(page).click()

    expect(panel(page)).to_be_hidden()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#chatkit-panel')") is None


def test_the_search_keys_of_the_site_are_left_alone(page: Page, site: ScriptedSite) -> None:
    page.goto(site.url)
    page.evaluate("window.heard = []; addEventListener('keydown', event => heard.push(event.key));")
    open_chat(page)

    page.keyboard.type("/")
    page.keyboard.press("Control+k")
    page.keyboard.press("Escape")
    page.keyboard.press("/")

    assert page.evaluate("heard") == ["/"]
    bubble(page).click()
    expect(composer(page)).to_have_value("/")


def test_on_a_phone_the_chat_fills_the_screen(browser: Browser, site: ScriptedSite) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(site.url)

    bubble(page).tap()

    # Not the text field: the keyboard would cover half of the chat.
    expect(panel(page)).to_be_focused()
    expect(bubble(page)).to_be_hidden()
    assert panel(page).bounding_box() == {"x": 0, "y": 0, **PHONE}

    ask(page)
    panel(page).locator(f'a[href$="{site.heading.url}"]').first.tap()

    page.wait_for_url(site.url + site.heading.url)
    expect(panel(page)).to_be_hidden()
    expect(bubble(page)).to_be_visible()
    context.close()


def test_on_a_phone_the_chat_can_be_closed(browser: Browser, site: ScriptedSite) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(site.url)
    bubble(page).tap()

    panel(page).get_by_role("button", name="Close").tap()

    expect(panel(page)).to_be_hidden()
    expect(bubble(page)).to_be_focused()
    context.close()


def test_the_composer_is_whole_on_a_phone_that_lies_on_its_side(
    browser: Browser, site: ScriptedSite
) -> None:
    context = browser.new_context(viewport={"width": 740, "height": 360}, has_touch=True)
    page = context.new_page()
    page.add_init_script(f"({KEYBOARD})()")
    page.goto(site.url)
    bubble(page).tap()
    expect(composer(page)).to_be_visible()

    page.evaluate("keyboard(220)")
    composer(page).fill("Line\n" * 8)
    # It has grown by then.
    expect(panel(page).get_by_role("button", name="Send message")).to_be_enabled()

    send = panel(page).get_by_role("button", name="Send message").bounding_box()
    assert send is not None
    assert 22 <= send["y"] < send["y"] + send["height"] <= 162
    context.close()


def test_a_chat_that_could_not_be_loaded_can_be_tried_again(
    context: BrowserContext, page: Page, site: ScriptedSite
) -> None:
    page.goto(site.url, wait_until="networkidle")
    context.route("**/*.js", lambda route: route.abort())
    bubble(page).click()
    expect(bubble(page)).to_have_attribute("title", FAILED)
    whole = bubble(page).bounding_box()
    assert whole is not None
    assert whole["width"] > 200
    assert whole["height"] == 56

    context.unroute("**/*.js")

    open_chat(page)
    whole = bubble(page).bounding_box()
    assert whole is not None
    assert whole["width"] == 56


@pytest.mark.parametrize("viewport", [{"width": 1280, "height": 800}, PHONE], ids=["wide", "phone"])
def test_a_chat_whose_panel_alone_could_be_loaded_says_so_and_can_be_tried_again(
    browser: Browser, site: ScriptedSite, viewport: ViewportSize
) -> None:
    context = browser.new_context(viewport=viewport)
    page = context.new_page()
    page.goto(site.url, wait_until="networkidle")

    def refuse_element(route: Route) -> None:
        response = route.fetch()
        if "attachShadow" in response.text():
            route.abort()
        else:
            route.fulfill(response=response)

    context.route("**/*.js", refuse_element)
    bubble(page).click()
    expect(panel(page).get_by_role("alert")).to_have_text(FAILED)
    # The bubble closes the panel as long as no chat does.
    bubble(page).click()
    expect(panel(page)).to_be_hidden()
    bubble(page).click()

    context.unroute("**/*.js")
    panel(page).get_by_role("button", name=FAILED).click()

    expect(composer(page)).to_be_focused()
    expect(panel(page).get_by_role("alert")).to_have_count(0)
    context.close()
