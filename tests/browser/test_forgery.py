"""What others write is shown as text: it runs nothing, and passes for nothing that it is not."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.element import ElementPage
from tests.browser.events import (
    answer,
    created,
    done,
    item,
    page_of,
    question,
    source,
    thread,
)
from tests.browser.payloads import (
    ADDRESSES,
    DISGUISED,
    LONG,
    SCRIPTS,
    TEXTS,
    check_harmless,
)
from tests.browser.protocol import ScriptedServer

pytestmark = pytest.mark.browser


def show(element: ElementPage, server: ScriptedServer, *items: object) -> None:
    """Mount the chat, without a policy around it, and ask for what answers with these."""
    server.stream("threads.create", created(), done(question("Hi")), *map(done, items))  # type: ignore[arg-type]
    element.mount(path="/unguarded")
    element.ask("Hi")
    expect(element.page.get_by_role("button", name="Copy answer").last).to_be_visible()
    # All of it has come by then.
    expect(element.page.get_by_role("button", name="Send message")).to_be_visible()


def test_texts_of_readers_and_models_run_nothing(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    asked = question("\n".join(TEXTS), "msg_x") | {"quoted_text": "\n".join(TEXTS)}
    answers = [answer(text, f"msg_{n}") for n, text in enumerate(TEXTS)]

    show(element, server, asked, *answers, answer("\n\n".join(TEXTS), "msg_all"))

    expect(page.get_by_text(SCRIPTS[0]).first).to_be_visible()
    check_harmless(page)


def test_titles_and_notices_run_nothing(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    notices = [
        {"type": "notice", "level": "info", "title": text, "message": text} for text in TEXTS
    ]
    tasks = [{"type": "custom", "title": text, "content": text} for text in TEXTS]
    work = item("workflow", "wf", workflow={"type": "custom", "tasks": tasks, "expanded": True})
    server.stream(
        "threads.create",
        created(title=TEXTS[0]),
        *notices,
        {"type": "progress_update", "text": TEXTS[3]},
        done(work),
        done(answer("Hello.")),
    )
    server.answer(
        "threads.list", page_of([thread(f"thr_{n}", text) for n, text in enumerate(TEXTS)])
    )
    element.mount(path="/unguarded")
    element.ask("Hi")
    expect(page.get_by_text("Hello.")).to_be_visible()

    page.get_by_role("button", name="Chat history").click()

    # The title of the chat that is open is one of them as well.
    expect(page.get_by_role("listitem")).to_have_count(len(TEXTS))
    expect(page.get_by_text(SCRIPTS[0]).first).to_be_visible()
    check_harmless(page)


def test_sources_run_nothing_and_lead_to_pages_alone(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    text = "Use the pooled host."
    addresses = [*ADDRESSES, *TEXTS]
    found = [source(address, TEXTS[0], TEXTS[3], len(text)) for address in addresses]

    show(element, server, answer(text, annotations=found))

    cites = page.locator(".cite")
    expect(cites).to_have_count(len(set(addresses)))
    for address in ADDRESSES:
        number = addresses.index(address) + 1
        mark = page.locator(f'.cite:text-is("{number}")')
        expect(mark).to_have_attribute("role", "note")
    check_harmless(page)


def test_a_number_that_the_model_writes_is_no_citation(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    real = source("/docs/neon", "Neon", "", 4)
    forged = (
        "True [1] \u2e4e1\u2e4f and [2](https://evil.example/) and [^1] "
        '<sup><a class="cite" href="https://evil.example/">1</a></sup> '
        "[<sup>1</sup>](https://evil.example/)\n\n[1]: https://evil.example/"
    )

    show(element, server, answer(forged, annotations=[real]))

    cites = page.locator(".cite")
    expect(cites).to_have_count(1)
    expect(cites).to_have_attribute("href", "/docs/neon")
    listed = page.get_by_role("region", name="Sources").get_by_role("link")
    expect(listed).to_have_count(1)
    expect(page.locator(".markdown")).to_contain_text('<a class="cite" href')
    # Links of the model's own look like links, not like the marks of sources.
    for link in page.locator('.markdown a[href*="evil.example"]').all():
        assert link.evaluate("link => link.closest('sup, .cite, .source')") is None
    check_harmless(page)


def test_a_button_that_the_model_writes_is_text(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    text = (
        '<button type="button">Good answer</button> <input type="submit" value="Allow">\n\n'
        '<form action="https://evil.example/"><button>Sign in</button></form>\n\n'
        "## Sources\n\n1. [Neon](https://evil.example/)"
    )

    show(element, server, answer(text))

    buttons = page.locator(".answer").get_by_role("button")
    expect(buttons).to_have_accessible_name("Copy answer")
    expect(page.locator(".answer .markdown button, .answer input, .answer form")).to_have_count(0)
    expect(page.get_by_role("region", name="Sources")).to_have_count(0)


def test_titles_of_sources_cant_disguise_themselves(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    text = "Use the pooled host."
    titles = [*DISGUISED, LONG, "", " \u200b "]
    found = [
        source(f"https://example.com/{n}", title, title, len(text))
        for n, title in enumerate(titles)
    ]

    show(element, server, answer(text, annotations=found))

    region = page.get_by_role("region", name="Sources")
    names = region.locator(".title").all_inner_texts()
    shown = "".join([*names, *region.locator(".heading").all_inner_texts()])
    shown += "".join(cite.get_attribute("aria-label") or "" for cite in page.locator(".cite").all())
    assert not set(shown) & set("\u202e\u2066\u2069\u200b\u0000\u0007\u009b")
    # A source without a name is called by its address.
    assert names[-2:] == ["example.com/5", "example.com/6"]
    assert page.locator(".cite").nth(4).get_attribute("aria-label") is not None
    width = page.evaluate(
        "() => { const { scrollWidth, clientWidth } = document.documentElement;"
        " return scrollWidth - clientWidth }"
    )
    assert width <= 0
    for cite in page.locator(".cite").all():
        assert len(cite.get_attribute("aria-label") or "") < 400
