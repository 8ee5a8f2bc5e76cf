"""The page around the chat: what a question tells of it, and where a citation leads on it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.pages import Pages
from tests.fixtures.app import StartServer

pytestmark = pytest.mark.browser

FILLER = "<p>Filler.</p>" * 60
CITED = "Set DATABASE_URL to the connection string of your Neon project"
CODE = "export DATABASE_URL=postgresql://user:secret@ep-x-pooler.neon.tech/neondb"
MARKED = "() => [...CSS.highlights.get('chatkit-passage') ?? []].map(String)"


@pytest.fixture
def server(pages: Pages, start_server: StartServer) -> Iterator[str]:
    with start_server(allowed_origins=[pages.url]) as url:
        yield url


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    context.set_default_timeout(30_000)
    yield context
    context.close()


def tag(server: str) -> str:
    return f'<script src="{server}/chat/static/chatkit-bubble.js" defer></script>'


def open_chat(page: Page) -> Locator:
    panel = page.get_by_role("dialog", name="Ask the docs")
    page.get_by_role("button", name="Ask the docs").click()
    expect(panel.get_by_role("textbox")).to_be_focused()
    return panel


def ask(page: Page, panel: Locator, question: str = "How do I connect to Neon?") -> dict[str, Any]:
    """What the request says of the page."""
    answers = panel.get_by_role("button", name="Copy answer")
    before = answers.count()
    panel.get_by_role("textbox").fill(question)
    expect(panel.get_by_role("button", name="Send message")).to_be_enabled()
    with page.expect_request(lambda request: request.method == "POST") as asked:
        panel.get_by_role("textbox").press("Enter")
    expect(answers).to_have_count(before + 1)
    told: dict[str, Any] = json.loads(asked.value.post_data or "{}")["metadata"]
    return dict(told["page"])


def scroll_to(page: Page, selector: str) -> None:
    page.locator(selector).evaluate("node => node.scrollIntoView()")


def test_the_heading_is_the_one_above_what_is_read(page: Page, pages: Pages, server: str) -> None:
    body = (
        "<nav><h2>Menu</h2></nav><main><article>"
        f"<h1>Neon <a href='#neon'>#</a></h1>{FILLER}<h2 id=pool>Pooling\u200b</h2>{FILLER}"
        "<div role=tabpanel hidden><h3>Hidden tab</h3></div>"
        "<details><summary>More</summary><h3>Closed</h3></details>"
        f"{FILLER}<h2>C#</h2><p>x</p><h2>Last</h2><p>x</p></article>"
        "<aside><h2>Beside</h2></aside></main><footer><h2>Foot</h2></footer>"
    )
    head = (
        "<meta name='docsearch:version' content='2.1'><meta name='docsearch:language' content='de'>"
    )
    page.goto(pages.put("/neon", body + tag(server), head=head) + "?token=secret#access_token=x")
    panel = open_chat(page)

    told = ask(page, panel)

    assert told == {
        "url": f"{pages.url}/neon",
        "title": "A page",
        "heading": "Neon",
        "version": "2.1",
        "locale": "de",
    }
    page.evaluate("location.hash = 'pool'")
    told = ask(page, panel, "And then?")
    assert (told["heading"], told["url"]) == ("Pooling", f"{pages.url}/neon#pool")
    # Headings of closed parts have no place, and so are above nothing.
    page.locator("details").evaluate("node => scrollTo(0, node.offsetTop - 100)")
    assert ask(page, panel, "And now?")["heading"] == "Pooling"
    scroll_to(page, "footer")
    assert ask(page, panel, "And here?")["heading"] == "Last"


@pytest.mark.parametrize(
    ("body", "heading"),
    [
        ("<p>No heading.</p>", None),
        ("<main><p>Text</p></main><h2>Outside</h2>", None),
        ("<div><h1>No  main\n</h1></div>", "No main"),
        ("<main><article><h2>A</h2></article><article><h2>B</h2></article></main>", "B"),
        ("<main><h1>Cards</h1><a href=/x><h2>Card</h2></a></main>", "Cards"),
    ],
)
def test_pages_of_any_kind_have_a_heading_or_none(
    page: Page, pages: Pages, server: str, body: str, heading: str | None
) -> None:
    page.goto(pages.put("/x", body + tag(server)))

    told = ask(page, open_chat(page))

    assert told.get("heading") == heading
    assert told["locale"] == "en"
    assert "version" not in told


def test_a_citation_of_this_page_opens_what_hides_it_and_marks_the_words(
    page: Page, pages: Pages, server: str
) -> None:
    body = (
        f"<main><h1>Neon</h1><p>{CITED} above.</p>{FILLER}"
        "<h2 id='connect-to-neon'>Connect to Neon</h2>"
        "<details><summary>How</summary><div>"
        "<div role=tablist><button role=tab>A</button><button role=tab id=b>B</button></div>"
        "<div><div role=tabpanel>First</div>"
        f"<div role=tabpanel hidden>{FILLER}<p id=here>Set <code>DATABASE_URL</code> to the"
        f" <em>connection</em> string of your Neon project.</p><pre>{CODE}</pre>"
        f"{FILLER}</div></div>"
        f"</div></details><h2>Next</h2><p>{CITED}</p></main>{tag(server)}"
        "<script>document.getElementById('b').onclick = () => {"
        " document.querySelectorAll('[role=tabpanel]').forEach((panel, i) => {"
        " panel.hidden = i !== 1 }) }</script>"
    )
    page.goto(pages.put("/docs/neon", body))
    page.evaluate("window.notReloaded = true")
    panel = open_chat(page)
    ask(page, panel)

    panel.locator('.cite[href*="#connect-to-neon"]').first.click()

    expect(page.locator("#here")).to_be_in_viewport()
    page.wait_for_function(f"({MARKED})().length === 1")
    [marked] = page.evaluate(MARKED)
    assert marked == f"{CITED}.{CODE}"
    assert page.evaluate("location.hash") == "#connect-to-neon"
    assert page.evaluate("window.notReloaded") is True
    expect(panel).to_be_visible()
    # Until the reader goes on.
    page.evaluate("location.hash = 'elsewhere'")
    page.wait_for_function(f"({MARKED})().length === 0")


def test_words_that_are_not_there_leave_the_heading(page: Page, pages: Pages, server: str) -> None:
    body = f"<main><h1>Neon</h1>{FILLER}<h2 id='connect-to-neon'>Connect</h2>{FILLER}</main>"
    page.goto(pages.put("/docs/neon", body + tag(server)))
    panel = open_chat(page)
    ask(page, panel)

    panel.locator('.cite[href*="#connect-to-neon"]').first.click()

    expect(page.locator("#connect-to-neon")).to_be_in_viewport()
    page.wait_for_function(f"({MARKED})().length === 1")
    assert page.evaluate(MARKED) == ["Connect"]


def test_a_browser_without_highlights_outlines_what_is_cited(
    page: Page, pages: Pages, server: str
) -> None:
    body = f"<main><h1>Neon</h1>{FILLER}<h2 id='connect-to-neon'>Connect</h2><p>{CITED}</p></main>"
    page.add_init_script("delete CSS.highlights; delete window.Highlight")
    page.goto(pages.put("/docs/neon", body + tag(server)))
    page.evaluate("Object.defineProperty(CSS, 'highlights', { value: undefined })")
    panel = open_chat(page)
    ask(page, panel)

    panel.locator('.cite[href*="#connect-to-neon"]').first.click()

    expect(page.locator("[data-chatkit-passage]")).to_have_css("outline-style", "solid")
    page.evaluate("location.hash = 'elsewhere'")
    expect(page.locator("[data-chatkit-passage]")).to_have_count(0)


def test_a_page_with_a_router_is_given_the_address_and_marked_when_it_is_there(
    page: Page, pages: Pages, server: str
) -> None:
    body = f"<main><h1>Start</h1><h2 id='connect-to-neon'>The same id</h2></main>{tag(server)}"
    page.goto(pages.put("/start", body))
    page.evaluate(
        f"""() => addEventListener('chatkit:navigate', (event) => {{
          event.preventDefault();
          history.pushState(null, '', event.detail.url);
          setTimeout(() => {{
            document.querySelector('main').innerHTML =
              '<h1>Neon</h1><h2 id="connect-to-neon">New</h2><p>{CITED}.</p><pre>{CODE}</pre>';
          }}, 300);
        }})"""
    )
    panel = open_chat(page)
    ask(page, panel)

    panel.locator('.cite[href*="#connect-to-neon"]').first.click()

    page.wait_for_function(f"({MARKED})().length === 1")
    assert page.evaluate(MARKED) == [f"{CITED}.{CODE}"]
    assert page.url == f"{pages.url}/docs/neon#connect-to-neon"
