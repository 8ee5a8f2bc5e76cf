"""The plugin in sites made for it: OpenAI's UI, languages, versions, consent, strict policies."""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect

from tests.browser.fixture_site import BASE, OPTIONS, build_site, docusaurus, write_site
from tests.browser.site import WEB, Heading, ScriptedSite, serve_build

# The first test of a site builds it, in minutes on a busy machine.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
VIOLATIONS = """async () => (await axe.run({ include: ["#chatkit-panel", ".chatkit-bubble"] }))
    .violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)])"""
CDN = "https://cdn.platform.openai.com/deployments/chatkit/chatkit.js"
SECOND = "This is the second sentence."
HEADING = Heading(f"{BASE}docs/guide/#the-end", "the-end", "The end")

#: Our own element under the official name: it keeps the same interface.
ELEMENT = "import(origin + '/element/chatkit-element.js')"
GOOD = f'{ELEMENT}.then(({{ define }}) => define("openai-chatkit"));'
THROWING = 'throw new Error("broken");'
SILENT = """
    customElements.define("openai-chatkit", class extends HTMLElement { setOptions() {} });
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_site(tmp_path_factory.mktemp("site"), OPTIONS, locales=("en", "de"))
    build_site(folder)
    return folder


@pytest.fixture(scope="module")
def served(sources: Path) -> Iterator[ScriptedSite]:
    with serve_build(sources / "build", HEADING, BASE) as site:
        yield site


@pytest.fixture(scope="module")
def consenting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedSite]:
    """A site in Arabic at the root of its host, without trailing slashes, that asks for consent."""
    options = {
        "url": "/chatkit",
        "domainKey": "domain_pk_fixture",
        "consent": True,
        "position": "bottom-left",
    }
    folder = tmp_path_factory.mktemp("consent")
    sources = write_site(folder, options, base="/", locales=("ar",), trailing_slash=False)
    build = build_site(sources)
    with serve_build(build, HEADING) as site:
        yield site


@pytest.fixture
def site(served: ScriptedSite) -> ScriptedSite:
    served.release()
    served.requests.clear()
    served.policy = ""
    served.unsaved_loads = 0
    return served


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    context.set_default_timeout(30_000)
    # No test may reach OpenAI; most are of a network that blocks it.
    context.route("https://cdn.platform.openai.com/**", lambda route: route.abort())
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert [error for error in errors if error != "broken"] == []


def bubble(page: Page) -> Locator:
    return page.locator(".chatkit-bubble")


def panel(page: Page) -> Locator:
    return page.locator("#chatkit-panel")


def composer(page: Page) -> Locator:
    return panel(page).get_by_role("textbox")


def open_chat(page: Page) -> None:
    bubble(page).click()
    expect(composer(page)).to_be_focused()


def ask(page: Page, question: str = "How do I start?") -> None:
    composer(page).fill(question)
    composer(page).press("Enter")
    expect(panel(page)).to_contain_text(SECOND)
    # An answer is stored, and another question taken, once it has come to its end.
    expect(panel(page).get_by_role("button", name="Send message")).to_be_visible()


def questions(site: ScriptedSite) -> list[str]:
    return [
        body["params"]["input"]["content"][0]["text"]
        for _, body in site.requests
        if body["type"] in ("threads.create", "threads.add_user_message")
    ]


def send(page: Page, name: str, detail: Any = None) -> None:
    script = "([name, detail]) => dispatchEvent(new CustomEvent(name, { detail }))"
    page.evaluate(script, [name, detail])


# What the plugin gives OpenAI's script in seconds, a busy machine may have in minutes.
PATIENT = """
    const wait = setTimeout;
    window.setTimeout = (work, ms = 0, ...more) => wait(work, ms < 1500 ? ms : ms * 40, ...more);
"""


def serve_good(context: BrowserContext) -> None:
    context.add_init_script(PATIENT)
    context.route(CDN, lambda route: route.fulfill(content_type="text/javascript", body=GOOD))


def visit(page: Page, url: str) -> None:
    """Has loaded what the good script stands on, so that only the plugin's patience is at stake."""
    page.goto(url)
    page.evaluate(f"{ELEMENT}.then(() => undefined)")


class TestOpenAIUi:
    def test_is_opened_where_it_loads(
        self, context: BrowserContext, page: Page, site: ScriptedSite
    ) -> None:
        serve_good(context)
        visit(page, site.url + BASE)

        open_chat(page)

        expect(panel(page).locator("openai-chatkit")).to_be_visible()
        expect(panel(page).locator("docs-chatkit")).to_have_count(0)
        ask(page)
        headers, body = site.requests[-1]
        assert headers["authorization"] == "Bearer token-of-the-reader"
        assert body["metadata"]["page"]["url"] == site.url + BASE

    def test_shows_an_answer_that_was_stored_late(
        self, context: BrowserContext, page: Page, site: ScriptedSite
    ) -> None:
        serve_good(context)
        visit(page, site.url + BASE)
        open_chat(page)
        ask(page)
        site.unsaved_loads = 1

        visit(page, site.url + BASE)
        open_chat(page)

        expect(panel(page)).to_contain_text(SECOND)
        assert site.unsaved_loads == 0

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(lambda route: route.abort(), id="blocked"),
            pytest.param(lambda route: None, id="hanging"),
            pytest.param(lambda route: route.fulfill(status=403, body="no"), id="403"),
            pytest.param(
                lambda route: route.fulfill(content_type="text/javascript", body=THROWING),
                id="throwing",
            ),
            pytest.param(
                lambda route: route.fulfill(content_type="text/javascript", body=SILENT),
                id="silent",
            ),
        ],
    )
    def test_makes_way_for_ours_where_it_fails(
        self,
        context: BrowserContext,
        page: Page,
        site: ScriptedSite,
        answer: Callable[[Route], None],
    ) -> None:
        context.route(CDN, answer)
        page.goto(site.url + BASE)

        open_chat(page)

        expect(panel(page).locator("docs-chatkit")).to_be_visible()
        expect(panel(page).locator("openai-chatkit")).to_have_count(0)
        ask(page)
        assert questions(site) == ["How do I start?"]

    def test_is_not_tried_again_in_a_tab_where_it_failed(
        self, context: BrowserContext, page: Page, site: ScriptedSite
    ) -> None:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(urlsplit(request.url).netloc))
        page.goto(site.url + BASE)
        open_chat(page)
        assert "cdn.platform.openai.com" in asked
        asked.clear()

        page.reload()
        open_chat(page)

        assert set(asked) == {urlsplit(site.url).netloc}

    def test_is_not_asked_for_before_the_click(self, page: Page, site: ScriptedSite) -> None:
        hosts: set[str] = set()
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))

        page.goto(site.url + BASE, wait_until="networkidle")

        assert hosts == {urlsplit(site.url).netloc}


def test_options_reach_the_chat(page: Page, site: ScriptedSite) -> None:
    page.goto(site.url + BASE)
    open_chat(page)

    expect(panel(page)).to_contain_text("Answers may be wrong.")
    expect(panel(page).get_by_role("button", name="Chat history")).to_have_count(0)
    panel(page).get_by_text("Price").click()

    expect(panel(page)).to_contain_text(SECOND)
    assert questions(site) == ["What does it cost?"]
    # The hooks of the setup module.
    expect(page.locator("body")).to_have_class(re.compile("answered"))
    headers, body = site.requests[-1]
    assert headers["authorization"] == "Bearer token-of-the-reader"
    assert body["metadata"]["page"]["title"] == page.title().upper()


def test_the_site_has_its_own_root_and_styles_the_bubble(page: Page, site: ScriptedSite) -> None:
    page.goto(site.url + BASE)

    expect(page.locator("#own-root")).to_contain_text("Fixture")
    expect(bubble(page)).to_have_css("border-radius", "11px")
    expect(bubble(page)).to_have_css("right", "40px")
    expect(bubble(page)).to_have_css("bottom", "48px")


def test_what_the_site_says_of_buttons_and_sections_leaves_the_chat_alone(
    page: Page, site: ScriptedSite
) -> None:
    page.goto(site.url + BASE)

    expect(bubble(page)).to_have_css("background-color", "rgb(150, 20, 90)")
    expect(bubble(page)).to_have_css("color", "rgb(255, 255, 255)")
    expect(bubble(page)).to_have_css("padding", "14px")
    expect(bubble(page).locator("svg")).to_have_css("stroke-width", "2px")
    box = bubble(page).locator("svg").bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (28, 28)
    open_chat(page)
    for property_ in ("margin", "padding", "min-height"):
        expect(panel(page)).to_have_css(property_, "0px")
    whole = panel(page).bounding_box()
    assert whole is not None
    assert whole["width"] == 26 * 16


def test_a_field_of_the_site_that_the_browser_fills_in_breaks_nothing(
    page: Page, site: ScriptedSite
) -> None:
    page.goto(site.url + BASE)
    expect(bubble(page)).to_be_visible()
    # Chromium sends such an event, which has no key.
    page.evaluate("document.body.dispatchEvent(new Event('keydown', { bubbles: true }))")


def test_a_citation_of_a_page_with_other_letters_in_its_address_opens_in_place(
    page: Page, site: ScriptedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{BASE}docs/%C3%A9t%C3%A9/#la-fin"
    monkeypatch.setattr(site, "heading", Heading(url, "la-fin", "La fin"))
    page.goto(site.url + BASE)
    page.evaluate("window.notReloaded = true")
    open_chat(page)
    ask(page)

    panel(page).locator(f'a[href$="{url}"]').first.click()

    expect(page.get_by_role("heading", name="La fin")).to_be_in_viewport()
    assert page.url == site.url + url
    assert page.evaluate("window.notReloaded") is True


def test_the_theme_follows_the_custom_properties_of_the_site(
    page: Page, site: ScriptedSite
) -> None:
    page.goto(site.url + BASE)
    open_chat(page)
    composer(page).fill("x")
    button = panel(page).get_by_role("button", name="Send message")
    expect(button).to_have_css("background-color", "rgb(150, 20, 90)")

    page.evaluate("document.documentElement.dataset.brand = 'green'")
    expect(button).to_have_css("background-color", "rgb(0, 110, 60)")

    page.evaluate("document.documentElement.style.setProperty('--chatkit-accent', 'navy')")
    expect(button).to_have_css("background-color", "rgb(0, 0, 128)")
    expect(bubble(page)).to_have_css("background-color", "rgb(0, 0, 128)")


class TestShortcut:
    def test_opens_and_closes_and_gives_the_focus_back(
        self, page: Page, site: ScriptedSite
    ) -> None:
        page.goto(site.url + BASE)
        link = page.get_by_role("link", name="Guide", exact=True)
        link.focus()

        page.keyboard.press("Control+i")
        expect(composer(page)).to_be_focused()
        page.keyboard.press("Control+i")

        expect(panel(page)).to_be_hidden()
        expect(link).to_be_focused()
        expect(bubble(page)).to_have_attribute("aria-keyshortcuts", "Control+I Meta+I")

    def test_is_no_other_key(self, page: Page, site: ScriptedSite) -> None:
        page.goto(site.url + BASE)

        for keys in ("i", "Control+Shift+i", "Control+Alt+i", "Control+j"):
            page.keyboard.press(keys)

        expect(bubble(page)).to_have_attribute("aria-expanded", "false")
        assert page.locator("#chatkit-panel").count() == 0


class TestOpenByLink:
    def test_opens_for_a_hash_and_again_for_the_next_click(
        self, page: Page, site: ScriptedSite
    ) -> None:
        page.goto(site.url + BASE)
        for _ in range(2):
            page.get_by_role("link", name="Ask us").click()
            expect(composer(page)).to_be_focused()
            assert page.url == site.url + BASE
            page.keyboard.press("Escape")
            expect(panel(page)).to_be_hidden()

    def test_opens_when_the_page_is_loaded(self, page: Page, site: ScriptedSite) -> None:
        page.goto(f"{site.url}{BASE}docs/guide/#ask")

        expect(composer(page)).to_be_focused()
        assert page.url == f"{site.url}{BASE}docs/guide/"
        assert questions(site) == []

    def test_a_link_of_the_site_asks_once(self, page: Page, site: ScriptedSite) -> None:
        page.goto(site.url + BASE)

        page.get_by_role("link", name="Ask how long").click()

        expect(panel(page)).to_contain_text(SECOND)
        assert page.url == f"{site.url}{BASE}docs/guide/?tab=two"
        page.reload()
        open_chat(page)
        expect(panel(page)).to_contain_text("How long?")
        assert questions(site) == ["How long?"]

    @pytest.mark.parametrize("policy", ["unsafe-url", "no-referrer"])
    def test_a_link_of_another_site_asks_nothing(
        self, context: BrowserContext, page: Page, site: ScriptedSite, policy: str
    ) -> None:
        target = f"{site.url}{BASE}docs/guide/?ask=Send%20my%20secrets"
        context.route(
            "https://elsewhere.example/",
            lambda route: route.fulfill(
                content_type="text/html",
                headers={"Referrer-Policy": policy},
                body=f'<a href="{target}">Read the guide</a>',
            ),
        )
        page.goto("https://elsewhere.example/")

        page.get_by_role("link").click()

        expect(composer(page)).to_have_value("Send my secrets")
        expect(composer(page)).to_be_focused()
        assert page.url == f"{site.url}{BASE}docs/guide/"
        assert questions(site) == []
        page.keyboard.press("Enter")
        expect(panel(page)).to_contain_text(SECOND)

    def test_a_link_in_an_answer_asks_nothing_by_itself(
        self,
        context: BrowserContext,
        page: Page,
        site: ScriptedSite,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        url = f"{BASE}docs/guide/?ask=Send%20my%20secrets"
        monkeypatch.setattr(site, "heading", Heading(url, "", "The guide"))
        page.goto(site.url + BASE)
        open_chat(page)
        ask(page)
        link = panel(page).locator(f'a[href="{url}"]').first

        link.click()

        page.wait_for_url(f"{site.url}{BASE}docs/guide/")
        expect(composer(page)).to_have_value("Send my secrets")
        for how in ("click with Control", "middle button"):
            with context.expect_page() as opened:
                if how == "middle button":
                    link.click(button="middle")
                else:
                    link.click(modifiers=["Control"])
            expect(composer(opened.value)).to_have_value("Send my secrets")
            opened.value.close()
        assert questions(site) == ["How do I start?"]


class TestEvents:
    def test_open_and_close(self, page: Page, site: ScriptedSite) -> None:
        page.goto(site.url + BASE)
        send(page, "chatkit:close")
        assert panel(page).count() == 0

        send(page, "chatkit:open")
        expect(composer(page)).to_be_focused()
        send(page, "chatkit:close")

        expect(panel(page)).to_be_hidden()

    def test_ask(self, page: Page, site: ScriptedSite) -> None:
        page.goto(site.url + BASE)

        send(page, "chatkit:ask", {"question": "What is this?", "quote": "Words of the guide."})

        expect(panel(page)).to_contain_text(SECOND)
        assert questions(site) == ["What is this?"]
        assert site.requests[-1][1]["params"]["input"]["quoted_text"] == "Words of the guide."

    def test_ask_without_sending(self, page: Page, site: ScriptedSite) -> None:
        page.goto(site.url + BASE)

        send(page, "chatkit:ask", {"question": "What is this?", "send": False})

        expect(composer(page)).to_have_value("What is this?")
        expect(composer(page)).to_be_focused()
        assert questions(site) == []

    def test_a_question_that_comes_while_an_answer_is_written_waits(
        self, page: Page, site: ScriptedSite
    ) -> None:
        page.goto(site.url + BASE)
        site.hold()
        send(page, "chatkit:ask", "First?")
        expect(panel(page)).to_contain_text("This is the first sentence.")

        send(page, "chatkit:ask", "Second?")

        expect(composer(page)).to_have_value("Second?")
        site.release()
        expect(panel(page)).to_contain_text(SECOND)
        assert questions(site) == ["First?"]


class TestSize:
    def test_the_pointer_changes_it_and_the_browser_keeps_it(
        self, page: Page, site: ScriptedSite
    ) -> None:
        page.goto(site.url + BASE)
        open_chat(page)
        before = panel(page).bounding_box()
        corner = panel(page).get_by_role("button", name="Resize the chat")
        box = corner.bounding_box()
        assert before
        assert box

        page.mouse.move(box["x"] + 8, box["y"] + 8)
        page.mouse.down()
        page.mouse.move(box["x"] - 92, box["y"] + 58, steps=4)
        page.mouse.up()

        after: dict[str, float] = {
            "x": before["x"] - 100,
            "y": before["y"] + 50,
            "width": before["width"] + 100,
            "height": before["height"] - 50,
        }
        assert panel(page).bounding_box() == after
        page.reload()
        open_chat(page)
        expect(panel(page)).to_have_css("width", f"{before['width'] + 100:g}px")
        assert panel(page).bounding_box() == after

        panel(page).get_by_role("button", name="Resize the chat").dblclick()
        expect(panel(page)).to_have_css("width", f"{before['width']:g}px")

    def test_keys_change_it_within_the_window(self, page: Page, site: ScriptedSite) -> None:
        page.goto(site.url + BASE)
        open_chat(page)
        before = panel(page).bounding_box()
        assert before
        corner = panel(page).get_by_role("button", name="Resize the chat")
        corner.focus()

        page.keyboard.press("ArrowLeft")
        expect(panel(page)).to_have_css("width", f"{before['width'] + 32:g}px")
        page.keyboard.press("ArrowDown")
        expect(panel(page)).to_have_css("height", f"{before['height'] - 32:g}px")
        for _ in range(60):
            page.keyboard.press("ArrowLeft")
        box = panel(page).bounding_box()
        assert box
        assert box["x"] == 40
        page.keyboard.press("Home")
        expect(panel(page)).to_have_css("width", f"{before['width']:g}px")
        expect(corner).to_be_focused()


class TestLanguages:
    def test_a_german_edition_is_german_and_keeps_the_thread(
        self, page: Page, site: ScriptedSite
    ) -> None:
        page.goto(site.url + BASE)
        open_chat(page)
        ask(page, "Kept?")

        page.goto(f"{site.url}{BASE}de/docs/guide/")
        page.get_by_role("button", name="Die Doku fragen").click()

        expect(panel(page)).to_contain_text("Kept?")
        expect(panel(page)).to_contain_text("Antworten können falsch sein.")
        panel(page).get_by_role("button", name="Neuer Chat").click()
        expect(panel(page)).to_contain_text("Was möchten Sie wissen?")
        panel(page).get_by_text("Wie fange ich an?").click()
        expect(panel(page)).to_contain_text(SECOND)
        # The translated prompt asks what it says.
        assert questions(site)[-1] == "Wie fange ich an?"
        assert site.requests[-1][1]["metadata"]["page"]["locale"] == "de"

    def test_write_translations_lists_the_texts(self, sources: Path, tmp_path: Path) -> None:
        folder = write_site(tmp_path / "site", OPTIONS, locales=("en", "fr"))

        docusaurus(folder, "write-translations", "--locale", "fr")

        texts = (folder / "i18n/fr/docusaurus-plugin-chatkit/texts.json").read_text()
        assert "Que souhaitez-vous savoir" in texts
        assert '"prompt.How do I start?"' in texts
        assert '"prompt.Price.prompt"' in texts


def test_a_change_of_version_keeps_the_chat_open_and_is_told_to_the_server(
    page: Page, site: ScriptedSite
) -> None:
    page.goto(f"{site.url}{BASE}docs/guide/")
    page.evaluate("window.notReloaded = true")
    open_chat(page)
    ask(page, "Which one?")
    assert site.requests[-1][1]["metadata"]["page"]["version"] == "1.0"

    page.get_by_role("link", name="Next", exact=True).first.click()
    page.wait_for_url("**/docs/next/guide/")
    # The address is there before the page, whose heading is the same.
    version = page.locator("meta[name='docusaurus_version']")
    expect(version).to_have_attribute("content", "current")
    composer(page).fill("And now?")
    composer(page).press("Enter")
    expect(panel(page).get_by_text(SECOND)).to_have_count(2)

    assert page.evaluate("window.notReloaded") is True
    assert site.requests[-1][1]["metadata"]["page"]["version"] == "current"


def test_nothing_moves_when_the_bubble_comes_and_the_chat_opens(
    page: Page, site: ScriptedSite
) -> None:
    page.goto(f"{site.url}{BASE}docs/guide/", wait_until="networkidle")
    open_chat(page)
    ask(page)

    moved = page.evaluate(
        """() => new Promise((resolve) => {
            new PerformanceObserver((list) => resolve(list.getEntries().flatMap(
                ({ sources }) => sources.map(({ node }) => node?.outerHTML ?? "?"))))
                .observe({ type: "layout-shift", buffered: true });
            requestAnimationFrame(() => requestAnimationFrame(() => resolve([])));
        })"""
    )
    # Docusaurus' own pages may shift while they load; nothing of the chat does, nor moves them.
    assert [html for html in moved if "chatkit" in html] == []


def test_nothing_of_the_chat_is_printed(page: Page, site: ScriptedSite) -> None:
    page.goto(site.url + BASE)
    open_chat(page)

    page.emulate_media(media="print")

    expect(bubble(page)).to_be_hidden()
    expect(panel(page)).to_be_hidden()


def policy_of(build: Path, **more: str) -> str:
    """The strictest that Docusaurus' own pages run under: its inline scripts by their hashes."""
    html = (build / "index.html").read_text()
    scripts = re.findall(r"<script[^>]*>(.+?)</script>", html, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() for code in scripts]
    rules = {
        "default-src": "'none'",
        "script-src": " ".join(["'self'", *(f"'sha256-{code}'" for code in hashes)]),
        "style-src": "'self'",
        "style-src-attr": "'unsafe-inline'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "default",
    }
    for name, value in more.items():
        rules[name.replace("_", "-")] += f" {value}"
    return "; ".join(f"{name} {value}" for name, value in rules.items())


# Docusaurus loads its parts by script elements, which takes a default policy; it runs nothing that
# is not of the site, and tells what was made of strings.
DEFAULT_POLICY = """
    window.made = [];
    window.violations = [];
    addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
        violations.push(`${violatedDirective} ${blockedURI}`);
    });
    trustedTypes.createPolicy("default", {
        createScriptURL: (url) => new URL(url, location).origin === origin ? url : null,
        createHTML: (html) => { made.push(html); return html; },
    });
"""


class TestContentSecurityPolicy:
    def test_our_chat_needs_nothing_but_the_site(
        self, page: Page, sources: Path, site: ScriptedSite
    ) -> None:
        site.policy = policy_of(sources / "build")
        page.add_init_script(DEFAULT_POLICY)
        page.goto(site.url + BASE, wait_until="networkidle")
        page.evaluate("() => { made.length = 0; }")
        page.evaluate("() => { violations.length = 0; }")

        open_chat(page)
        ask(page)

        assert page.evaluate("made") == []
        # The policy keeps OpenAI's script out, and our chat opens instead.
        assert page.evaluate("[...new Set(violations)]") == [f"script-src-elem {CDN}"]

    def test_openai_ui_runs_where_the_policy_names_it(
        self, context: BrowserContext, page: Page, sources: Path, site: ScriptedSite
    ) -> None:
        serve_good(context)
        site.policy = policy_of(
            sources / "build",
            script_src="https://cdn.platform.openai.com",
            trusted_types="docs-chatkit",
        )
        page.add_init_script(DEFAULT_POLICY)
        visit(page, site.url + BASE)

        open_chat(page)

        expect(panel(page).locator("openai-chatkit")).to_be_visible()
        assert page.evaluate("violations") == []


class TestConsent:
    @pytest.fixture
    def site(self, consenting: ScriptedSite) -> ScriptedSite:
        consenting.requests.clear()
        return consenting

    def test_before_it_nothing_is_shown_loaded_or_stored(
        self, page: Page, site: ScriptedSite
    ) -> None:
        page.goto(site.url + "/?ask=Anything", wait_until="networkidle")
        send(page, "chatkit:open")
        send(page, "chatkit:ask", "Anything?")

        assert bubble(page).count() == 0
        assert panel(page).count() == 0
        assert page.evaluate("Object.keys(localStorage).filter(k => /chatkit/.test(k))") == []
        assert site.requests == []

    def test_given_and_withdrawn(self, page: Page, site: ScriptedSite) -> None:
        page.goto(site.url)
        send(page, "chatkit:consent")
        expect(bubble(page)).to_be_visible()
        open_chat(page)
        ask(page)
        page.goto(site.url + "/docs/guide")
        expect(bubble(page)).to_be_visible()

        send(page, "chatkit:consent", False)

        expect(bubble(page)).to_have_count(0)
        stored = "Object.keys(localStorage).filter(k => /chatkit/.test(k))"
        assert page.evaluate(stored) == []
        page.reload(wait_until="networkidle")
        assert bubble(page).count() == 0

        send(page, "chatkit:consent")
        open_chat(page)
        expect(panel(page)).not_to_contain_text(SECOND)

    def test_withdrawn_while_the_chat_is_loading(
        self, context: BrowserContext, page: Page, site: ScriptedSite
    ) -> None:
        held: list[Route] = []
        page.goto(site.url, wait_until="networkidle")
        send(page, "chatkit:consent")
        context.route("**/*.js", lambda route: held.append(route))
        with page.expect_request("**/*.js"):
            bubble(page).click()

        send(page, "chatkit:consent", False)

        expect(bubble(page)).to_have_count(0)
        context.unroute("**/*.js")
        for route in held:
            route.continue_()
        for route in held:
            response = route.request.response()
            assert response is not None
            response.finished()
        assert panel(page).count() == 0
        send(page, "chatkit:consent")
        open_chat(page)

    def test_withdrawn_while_openai_s_script_is_asked_for(
        self, context: BrowserContext, page: Page, site: ScriptedSite
    ) -> None:
        held: list[Route] = []
        context.route(CDN, lambda route: held.append(route))
        page.goto(site.url)
        send(page, "chatkit:consent")
        with page.expect_request(CDN):
            bubble(page).click()

        send(page, "chatkit:consent", False)

        with page.expect_event("requestfailed"):
            for route in held:
                route.abort()
        page.wait_for_load_state("networkidle")
        kept = "[localStorage, sessionStorage].flatMap((storage) => Object.keys(storage))"
        assert [key for key in page.evaluate(kept) if "chatkit" in key] == []

    def test_that_was_known_before_the_page_could_say_it(
        self, page: Page, site: ScriptedSite
    ) -> None:
        page.add_init_script("window.chatkitConsent = true")

        page.goto(site.url)

        open_chat(page)

    def test_in_a_right_to_left_site_all_is_mirrored(self, page: Page, site: ScriptedSite) -> None:
        page.add_init_script("window.chatkitConsent = true")
        page.goto(site.url)
        open_chat(page)

        # Its "bottom-left" is where the text begins.
        expect(bubble(page)).to_have_css("right", "20px")
        expect(panel(page)).to_have_css("right", "20px")
        before = panel(page).bounding_box()
        assert before
        panel(page).get_by_role("button", name="Resize the chat").focus()
        page.keyboard.press("ArrowLeft")
        expect(panel(page)).to_have_css("width", f"{before['width'] + 32:g}px")

    def test_a_right_to_left_site_has_no_accessibility_violations(
        self, page: Page, site: ScriptedSite
    ) -> None:
        page.add_init_script("window.chatkitConsent = true")
        page.goto(site.url)
        open_chat(page)
        ask(page)

        page.evaluate(AXE.read_text())
        for theme in ("light", "dark"):
            page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
            assert page.evaluate(VIOLATIONS) == []
        expect(panel(page).locator("pre")).to_have_css("direction", "ltr")
        panel(page).get_by_role("button", name="Chat history").click()
        expect(panel(page).get_by_text("A question").first).to_be_visible()
        assert page.evaluate(VIOLATIONS) == []
