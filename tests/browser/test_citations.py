"""Citations in an answer: what they show, what is copied of them, and where they lead."""

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.element import ElementPage, copy
from tests.browser.events import answer, created, done, question, source
from tests.browser.protocol import ROOT, Event, ScriptedServer

pytestmark = pytest.mark.browser

AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
TEXT = "Use the pooled host 🚀. Then restart."
CITED = "Use the host whose name ends in -pooler, for every one of many connections."
DIRECTIVE = ":~:text=Use%20the%20host%20whose,one%20of%20many%20connections."
NEON = source("/docs/neon#pooling", "Neon", f"Connect › Pooling\n{CITED}", 22)
AGAIN = source("/docs/neon#pooling", "Neon", f"Connect › Pooling\n{CITED}", 36)
OUTSIDE = source("https://example.com/a(b)", "A [guide]", "", 36)


def show(element: ElementPage, server: ScriptedServer, text: str, *found: Event) -> None:
    reply = answer(text, annotations=list(found))
    server.stream("threads.create", created(), done(question("Hi")), done(reply))
    element.mount()
    element.ask("Hi")
    expect(element.page.get_by_role("button", name="Copy answer")).to_be_visible()


def test_sources_are_listed_with_page_section_and_what_is_cited(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    show(element, server, TEXT, NEON, AGAIN, OUTSIDE)

    listed = page.get_by_role("region", name="Sources").get_by_role("link")
    expect(listed).to_have_count(2)
    expect(listed.nth(0).locator(".title")).to_have_text("Neon")
    expect(listed.nth(0).locator(".heading")).to_have_text("Connect › Pooling")
    expect(listed.nth(0).locator(".extract")).to_have_text(CITED)
    expect(listed.nth(1).locator(".heading")).to_have_text("example.com")
    assert listed.nth(1).get_attribute("target") == "_blank"
    # The browser goes to the words themselves, and to the heading where it can't find them.
    for link in (listed.nth(0), page.locator(".cite").first):
        assert link.get_attribute("href") == f"/docs/neon#pooling{DIRECTIVE}"


def test_a_mark_shows_its_source_to_pointer_and_keyboard(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    show(element, server, TEXT, NEON, OUTSIDE)
    first, second = page.locator(".cite").all()
    preview = page.get_by_role("tooltip")

    first.hover()

    expect(preview).to_have_text(f"NeonConnect › Pooling{CITED}")
    expect(preview).to_be_in_viewport(ratio=1)
    expect(first).to_have_accessible_description(f"Neon Connect › Pooling {CITED}")
    preview.hover()
    expect(preview).to_be_visible()
    page.mouse.move(1, 1)
    expect(preview).to_have_count(0)

    page.get_by_role("textbox", name="Message").focus()
    page.get_by_role("log").focus()
    page.keyboard.press("Tab")
    expect(first).to_be_focused()
    expect(preview).to_contain_text(CITED)
    page.keyboard.press("Tab")
    expect(second).to_be_focused()
    expect(preview).to_have_text("A [guide]example.com")
    page.evaluate(AXE.read_text())
    violations = page.evaluate(
        "async () => (await axe.run('docs-chatkit')).violations.map(({ id }) => id)"
    )
    assert violations == []
    page.evaluate("window.escaped = 0; addEventListener('keydown', event => { escaped += 1 })")
    page.keyboard.press("Escape")
    expect(preview).to_have_count(0)
    # Not a word of it to the page, which closes the chat by the same key.
    assert page.evaluate("window.escaped") == 0
    expect(second).to_be_focused()
    assert second.get_attribute("aria-describedby") is None


def test_an_answer_is_copied_as_markdown_with_its_sources(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    text = TEXT + "\n\n```bash\nmake run\n```"
    code = source("javascript:alert(1)", "Bad", "", len(text))
    show(element, server, text, NEON, AGAIN, OUTSIDE, code)

    copy(page, "Copy answer")

    assert page.evaluate("navigator.clipboard.readText()") == (
        "Use the pooled host 🚀.[^1] Then restart.[^1][^2]\n\n"
        "```bash\nmake run\n```\n[^3]\n\n"
        f"[^1]: [Neon, Connect › Pooling]({server.url}/docs/neon#pooling)\n"
        "[^2]: [A \\[guide\\]](https://example.com/a%28b%29)\n"
        "[^3]: Bad\n"
    )


def test_without_sources_an_answer_is_copied_as_it_is(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    show(element, server, "**Hello**, [here](/docs/a).")

    copy(page, "Copy answer")

    assert page.evaluate("navigator.clipboard.readText()") == "**Hello**, [here](/docs/a).\n"


@pytest.mark.parametrize("number", [1, 2])
def test_the_element_alone_leads_to_the_words_on_the_page(
    context: BrowserContext,
    element: ElementPage,
    server: ScriptedServer,
    page: Page,
    number: int,
) -> None:
    long = "<p>Filler.</p>" * 200
    body = f"<title>Neon</title>{long}<h2 id=pooling>Pooling</h2>{long}<p id=here>{CITED}</p>{long}"
    context.route("**/docs/neon*", lambda route: route.fulfill(body=body, content_type="text/html"))
    context.route(
        "https://docs.example/**", lambda route: route.fulfill(body=body, content_type="text/html")
    )
    elsewhere = source("https://docs.example/neon#pooling", "Neon", f"Pooling\n{CITED}", 22)
    show(element, server, TEXT, NEON, elsewhere)
    link = page.get_by_role("region", name="Sources").get_by_role("link").nth(number - 1)

    if number == 1:
        link.click()
        opened = page
    else:
        with context.expect_page() as tab:
            link.click()
        opened = tab.value

    expect(opened.locator("#here")).to_be_in_viewport()
    assert opened.evaluate("location.hash") == "#pooling"


def test_an_entity_that_is_cited_can_be_opened_by_the_page(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    def cite(interactive: bool, name: str) -> Event:
        cited = {"type": "entity", "id": name, "title": name, "interactive": interactive}
        return {"type": "annotation", "source": cited, "index": len(TEXT)}

    reply = answer(TEXT, annotations=[cite(True, "Ada"), cite(False, "Bob")])
    server.stream("threads.create", created(), done(question("Hi")), done(reply))
    element.mount()
    page.evaluate(
        """() => {
          window.opened = [];
          document.getElementById('chat').setOptions({
            api: { url: '/chatkit', domainKey: 'local' },
            entities: { onClick: ({ id, title }) => window.opened.push([id, title]) },
          });
        }"""
    )
    element.ask("Hi")
    listed = page.get_by_role("region", name="Sources")
    expect(listed).to_be_visible()

    listed.get_by_role("button", name="Ada").click()
    page.get_by_role("button", name="Source 1: Ada").press("Enter")

    assert page.evaluate("window.opened") == [["Ada", "Ada"], ["Ada", "Ada"]]
    expect(listed.get_by_role("button")).to_have_count(1)
    expect(listed.get_by_text("Bob")).to_be_visible()
