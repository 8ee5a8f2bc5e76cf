"""The bubble and the element on pages of another origin, as the docs say to put them there."""

import gzip
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect

from tests.browser.element import wait_until_still
from tests.browser.pages import Pages, examples
from tests.browser.site import WEB
from tests.fixtures.app import StartServer

pytestmark = pytest.mark.browser

AXE = WEB / "node_modules/axe-core/axe.min.js"
ARTICLE = "<main><h1>Neon</h1><p>A page.</p><h2 id='connect-to-neon'>Connect to Neon</h2></main>"
QUESTION = "How do I connect to Neon?"
FAILED = "The chat could not be loaded. Try again, or reload the page."


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


def tag(server: str, **attributes: str) -> str:
    text = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f'<script src="{server}/chat/static/chatkit-bubble.js"{text} defer></script>'


def bubble(page: Page) -> Locator:
    return page.get_by_role("button", name="Ask the docs")


def panel(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Ask the docs")


def composer(page: Page) -> Locator:
    return panel(page).get_by_role("textbox")


def ask(page: Page) -> None:
    composer(page).fill(QUESTION)
    expect(panel(page).get_by_role("button", name="Send message")).to_be_enabled()
    composer(page).press("Enter")
    expect(panel(page)).to_contain_text("Set DATABASE_URL to the connection string")


def test_the_script_tag_of_the_docs_answers_under_the_policy_of_the_docs(
    page: Page, pages: Pages, server: str
) -> None:
    code = examples(server)
    pages.policy = code["policy"]
    hosts: set[str] = set()
    scripts: list[str] = []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on(
        "request",
        lambda request: scripts.append(request.url) if request.resource_type == "script" else None,
    )
    page.goto(pages.put("/start", ARTICLE + code["bubble.html"]), wait_until="networkidle")
    expect(bubble(page)).to_have_attribute("aria-expanded", "false")
    assert scripts == [f"{server}/chat/static/chatkit-bubble.js"]
    assert len(gzip.compress(httpx.get(scripts[0]).content, 9)) < 2048

    bubble(page).click()

    expect(composer(page)).to_be_focused()
    expect(panel(page).get_by_role("button", name="How do I get started?")).to_be_visible()
    ask(page)
    expect(panel(page).get_by_role("link", name="Connect to Neon").first).to_be_visible()
    assert hosts - {""} == {urlsplit(pages.url).netloc, urlsplit(server).netloc}


def test_a_citation_opens_its_page_and_the_chat_stays_open(
    page: Page, pages: Pages, server: str
) -> None:
    for path in ("/start", "/docs/neon"):
        pages.put(path, ARTICLE + tag(server))
    page.goto(pages.url + "/start")
    bubble(page).click()
    ask(page)

    panel(page).locator("a[href*='/docs/neon#connect-to-neon']").first.click()

    page.wait_for_url("**/docs/neon#connect-to-neon*")
    expect(panel(page)).to_contain_text(QUESTION)
    expect(bubble(page)).to_have_attribute("aria-expanded", "true")
    assert page.evaluate("document.activeElement === document.body")

    bubble(page).click()
    page.reload()
    expect(bubble(page)).to_have_attribute("aria-expanded", "false")
    bubble(page).click()
    expect(panel(page)).to_contain_text(QUESTION)


def test_escape_closes_and_gives_the_focus_back(page: Page, pages: Pages, server: str) -> None:
    page.goto(pages.put("/", ARTICLE + tag(server)))
    page.evaluate("addEventListener('keydown', ({ key }) => { (window.keys ??= []).push(key) })")
    page.keyboard.press("Tab")
    expect(bubble(page)).to_be_focused()
    page.keyboard.press("Enter")
    expect(composer(page)).to_be_focused()

    page.keyboard.type("a/b")
    page.keyboard.press("Escape")

    expect(panel(page)).to_be_hidden()
    expect(bubble(page)).to_be_focused()
    assert page.evaluate("window.keys") == ["Tab", "Enter"]


def test_a_button_of_the_page_asks_and_gets_the_focus_back(
    page: Page, pages: Pages, server: str
) -> None:
    button = examples(server)["button.html"].replace("How do I get started?", QUESTION)
    page.goto(pages.put("/", ARTICLE + button + tag(server)))

    page.get_by_role("button", name="Ask how to start").click()

    expect(panel(page)).to_contain_text("Set DATABASE_URL to the connection string")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Ask how to start")).to_be_focused()


def test_events_of_the_page_open_ask_and_close(page: Page, pages: Pages, server: str) -> None:
    page.goto(pages.put("/", ARTICLE + tag(server)))
    expect(bubble(page)).to_be_visible()

    page.evaluate(
        """question => dispatchEvent(new CustomEvent("chatkit:ask", { detail: { question } }))""",
        QUESTION,
    )

    expect(panel(page)).to_contain_text("Set DATABASE_URL to the connection string")
    page.evaluate("dispatchEvent(new Event('chatkit:close'))")
    expect(panel(page)).to_be_hidden()
    page.evaluate("dispatchEvent(new Event('chatkit:open'))")
    expect(panel(page)).to_be_visible()


def test_on_a_phone_it_covers_the_page(browser: Browser, pages: Pages, server: str) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, reduced_motion="reduce"
    )
    page = context.new_page()
    for path in ("/", "/docs/neon"):
        pages.put(path, f"<a href='/'>Home</a>{ARTICLE}{tag(server)}")
    page.goto(pages.url)

    bubble(page).tap()

    box = panel(page).bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (390, 844)
    # What lies behind is out of reach, for a keyboard and for a screen reader.
    page.evaluate("document.querySelector('a').focus()")
    assert page.evaluate("document.activeElement.id") == "chatkit-bubble"
    ask(page)
    panel(page).locator("a[href*='/docs/neon#connect-to-neon']").first.tap()
    page.wait_for_url("**/docs/neon#connect-to-neon*")
    expect(page.get_by_role("link", name="Home")).to_be_visible()
    expect(bubble(page)).to_have_attribute("aria-expanded", "false")

    bubble(page).tap()
    panel(page).get_by_role("button", name="Close").tap()
    expect(panel(page)).to_be_hidden()
    context.close()


def test_the_chat_is_dark_where_the_page_is(page: Page, pages: Pages, server: str) -> None:
    style = (
        "<style>body { background: #fff; transition: background-color 0.05s }"
        " .dark body { background: oklch(0.2 0.03 260) }</style>"
    )
    page.goto(pages.put("/", ARTICLE + tag(server), head=style))
    bubble(page).click()
    # The text's colour tells: it is white on dark.
    light = composer(page).evaluate("element => getComputedStyle(element).color")

    page.evaluate("document.documentElement.className = 'dark'")

    expect(composer(page)).not_to_have_css("color", light)
    page.evaluate("document.documentElement.className = ''")
    expect(composer(page)).to_have_css("color", light)


def test_without_a_ground_of_its_own_the_page_has_the_one_of_the_browser(
    page: Page, pages: Pages, server: str
) -> None:
    scheme = "element => getComputedStyle(element).colorScheme"
    page.emulate_media(color_scheme="dark")
    for meta, choice, expected in (
        ("", {}, "light"),
        ("light dark", {}, "dark"),
        ("dark", {}, "dark"),
        ("light", {}, "light"),
        ("light dark", {"data-theme": "light"}, "light"),
        ("", {"data-theme": "dark"}, "dark"),
    ):
        head = f'<meta name="color-scheme" content="{meta}">' if meta else ""
        page.goto(pages.put("/", ARTICLE + tag(server, **choice), head=head))
        page.evaluate("DocsChatKit.load()")
        assert page.locator("docs-chatkit .app").evaluate(scheme) == expected, (meta, choice)


def test_the_chat_has_the_accent_of_the_bubble(page: Page, pages: Pages, server: str) -> None:
    page.goto(pages.put("/", ARTICLE + tag(server, **{"data-accent": "rgb(180, 83, 9)"})))
    expect(bubble(page)).to_have_css("background-color", "rgb(180, 83, 9)")
    bubble(page).click()
    composer(page).fill("A question")

    expect(panel(page).get_by_role("button", name="Send message")).to_have_css(
        "background-color", "rgb(180, 83, 9)"
    )


def test_a_page_may_pin_what_it_loads(page: Page, pages: Pages, server: str) -> None:
    known = httpx.get(f"{server}/chat/static/integrity.json").json()["chatkit-bubble.js"]
    pinned = {"integrity": known["integrity"], "crossorigin": "anonymous"}
    versioned = tag(server, **pinned).replace("bubble.js", f"bubble.js?v={known['version']}")
    page.goto(pages.put("/", ARTICLE + versioned))
    bubble(page).click()
    expect(composer(page)).to_be_focused()

    changed = {**pinned, "integrity": f"sha384-{'A' * 64}"}
    page.goto(pages.put("/", ARTICLE + tag(server, **changed)), wait_until="networkidle")
    expect(bubble(page)).to_have_count(0)


@pytest.mark.parametrize("name", ["chatkit-panel.js", "chatkit-element.js"])
def test_a_pinned_page_does_not_run_a_changed_chat(
    page: Page, pages: Pages, server: str, name: str
) -> None:
    known = httpx.get(f"{server}/chat/static/integrity.json").json()["chatkit-bubble.js"]

    def change(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=response.text() + "\nwindow.changed = true;")

    page.route(f"**/{name}", change)
    pinned = {"integrity": known["integrity"], "crossorigin": "anonymous"}
    page.goto(pages.put("/", ARTICLE + tag(server, **pinned)))

    bubble(page).click()

    expect(bubble(page)).to_have_attribute("title", FAILED)
    whole = bubble(page).bounding_box()
    assert whole is not None
    assert whole["width"] > 200
    assert page.evaluate("window.changed") is None
    expect(panel(page)).to_have_count(0)


def test_files_may_be_kept_by_their_version_and_loaded_by_any_origin(server: str) -> None:
    script = f"{server}/chat/static/chatkit-bubble.js"
    version = httpx.get(f"{server}/chat/static/integrity.json").json()["chatkit-bubble.js"][
        "version"
    ]
    plain = httpx.get(script, headers={"Origin": "https://anywhere.example"})
    assert plain.headers["access-control-allow-origin"] == "*"
    assert plain.headers["cross-origin-resource-policy"] == "cross-origin"
    assert plain.headers["cache-control"] == "no-cache"
    assert "immutable" in httpx.get(f"{script}?v={version}").headers["cache-control"]
    # An old address gives the new script: it must not be kept as the old one.
    assert httpx.get(f"{script}?v=000000000000").headers["cache-control"] == "no-cache"


def test_a_chat_that_could_not_be_loaded_is_loaded_by_the_next_click(
    page: Page, pages: Pages, server: str
) -> None:
    page.goto(pages.put("/", ARTICLE + tag(server, **{"data-failure": "No chat at the moment."})))
    page.route("**/chatkit-panel.js", lambda route: route.abort())
    bubble(page).click()
    expect(bubble(page)).to_have_attribute("title", "No chat at the moment.")
    page.unroute("**/chatkit-panel.js")

    bubble(page).click()

    expect(composer(page)).to_be_focused()
    expect(bubble(page)).to_have_attribute("title", "")


def test_the_page_may_configure_the_chat_and_follow_its_links(
    page: Page, pages: Pages, server: str
) -> None:
    page.goto(pages.put("/", ARTICLE + tag(server)))
    expect(bubble(page)).to_be_visible()
    page.evaluate(
        """() => {
          DocsChatKit.configure({
            startScreen: { greeting: "Good morning" },
            api: {
              fetch: (input, init) => {
                window.types = [...(window.types ?? []), JSON.parse(init.body).type];
                return fetch(input, init);
              },
            },
          });
          addEventListener("chatkit:navigate", (event) => {
            event.preventDefault();
            window.navigated = event.detail.url;
          });
        }"""
    )
    bubble(page).click()
    expect(panel(page)).to_contain_text("Good morning")
    ask(page)

    panel(page).locator("a[href*='/docs/neon#connect-to-neon']").first.click()

    page.wait_for_function("window.navigated")
    assert page.evaluate("window.navigated") == f"{pages.url}/docs/neon#connect-to-neon"
    assert page.url == pages.url + "/"
    assert "threads.create" in page.evaluate("window.types")


def test_a_second_script_tag_makes_no_second_bubble(page: Page, pages: Pages, server: str) -> None:
    page.goto(pages.put("/", ARTICLE + tag(server) + tag(server)), wait_until="networkidle")
    expect(bubble(page)).to_have_count(1)


def test_the_bubble_works_from_the_head_without_defer(
    page: Page, pages: Pages, server: str
) -> None:
    head = tag(server, **{"data-position": "bottom-left", "data-offset": "10px 40px"})
    page.goto(pages.put("/", ARTICLE, head=head.replace(" defer", "")))

    box = bubble(page).bounding_box()
    assert box == {"x": 10, "y": 800 - 40 - 56, "width": 56, "height": 56}


def test_bubble_and_panel_have_no_accessibility_violations(
    page: Page, pages: Pages, server: str
) -> None:
    page.goto(pages.put("/", ARTICLE + tag(server)))
    page.evaluate(AXE.read_text())
    rules = "async () => (await axe.run()).violations.map(({ id, nodes }) => [id, nodes[0].html])"
    violations = [page.evaluate(rules)]
    bubble(page).click()
    ask(page)
    wait_until_still(panel(page))
    violations.append(page.evaluate(rules))
    page.evaluate("document.body.style.background = '#111'; document.body.style.color = '#eee'")
    expect(composer(page)).not_to_have_css("color", "rgb(27, 31, 38)")
    violations.append(page.evaluate(rules))

    assert violations == [[], [], []]


def test_the_element_of_the_docs_answers_and_keeps_its_thread(
    page: Page, pages: Pages, server: str
) -> None:
    page.goto(pages.put("/", ARTICLE + examples(server)["element.html"]))
    box = page.get_by_role("textbox")
    box.fill(QUESTION)
    expect(page.get_by_role("button", name="Send message")).to_be_enabled()
    box.press("Enter")
    expect(page.locator("docs-chatkit")).to_contain_text("Set DATABASE_URL")

    page.reload()

    expect(page.locator("docs-chatkit")).to_contain_text("Set DATABASE_URL")


def test_the_react_example_of_the_docs_answers_and_keeps_its_thread(
    page: Page, pages: Pages, server: str, tmp_path: Path
) -> None:
    (tmp_path / "Chat.tsx").write_text(examples(server)["Chat.tsx"])
    (tmp_path / "main.tsx").write_text(
        'import { createRoot } from "react-dom/client";\n'
        'import { Chat } from "./Chat";\n'
        'createRoot(document.getElementById("root")!).render(<Chat />);\n'
    )
    bundled = subprocess.run(
        [
            str(WEB / "node_modules/.bin/esbuild"),
            *("main.tsx", "--bundle", "--format=esm", "--jsx=automatic"),
            '--define:process.env.NODE_ENV="production"',
        ],
        cwd=tmp_path,
        env={**os.environ, "NODE_PATH": str(WEB / "node_modules")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert bundled.returncode == 0, bundled.stderr
    pages.files["/main.js"] = bundled.stdout
    page.goto(pages.put("/", '<div id="root"></div><script type="module" src="/main.js"></script>'))
    expect(page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    box = page.get_by_role("textbox")
    box.fill(QUESTION)
    expect(page.get_by_role("button", name="Send message")).to_be_enabled()
    box.press("Enter")
    expect(page.locator("openai-chatkit")).to_contain_text("Set DATABASE_URL")

    page.reload()

    expect(page.locator("openai-chatkit")).to_contain_text("Set DATABASE_URL")
