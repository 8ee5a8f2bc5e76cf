"""The chat element: asking, answering, stopping, finding chats again."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.element import ElementPage, copy
from tests.browser.events import (
    annotated,
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
from tests.browser.protocol import ROOT, Drop, ScriptedServer

pytestmark = pytest.mark.browser

AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
SENTENCE = "Use the pooled host 🚀."
CODE = "\n\n```bash\nexport DATABASE_URL=postgres://…\n```\n\nThen **restart**."


def script_answer(server: ScriptedServer, text: str = "Hello.") -> None:
    server.stream("threads.create", created(), done(question("Hi")), begun(), done(answer(text)))


def articles(page: Page) -> Locator:
    return page.get_by_role("article")


def stop(page: Page) -> Locator:
    return page.get_by_role("button", name="Stop answering")


def check_accessibility(page: Page) -> None:
    """No violation of any axe rule, best practices included."""
    page.evaluate(AXE.read_text())
    violations = page.evaluate(
        """async () => (await axe.run()).violations.map(
            ({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`)"""
    )
    # The page around the element has no landmarks or heading of its own.
    assert [v for v in violations if not v.startswith(("landmark-one-main", "region"))] == []


def test_an_answer_streams_as_markdown_with_citations_and_sources(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    gate = server.gate()
    neon = source("/docs/neon#pooling", "Neon", "Pooling", len(SENTENCE))
    text = SENTENCE + CODE
    again = source("/docs/neon#pooling", "Neon", "Pooling", len(text))
    server.stream(
        "threads.create",
        created(),
        done(question("How?")),
        begun(),
        delta(SENTENCE),
        annotated(neon),
        gate,
        delta(CODE),
        annotated(again, at=1),
        done(answer(text, annotations=[neon, again])),
    )
    element.mount()
    element.ask("How?")

    reply = articles(page).nth(1)
    expect(reply.locator("p").first).to_have_text(f"{SENTENCE}1")
    expect(stop(page)).to_be_visible()
    gate.open()

    expect(reply.locator("pre")).to_have_text("export DATABASE_URL=postgres://…")
    expect(reply.locator("strong")).to_have_text("restart")
    cites = reply.get_by_role("link", name="Source 1: Neon, Pooling")
    expect(cites).to_have_count(2)
    assert [cite.get_attribute("href") for cite in cites.all()] == ["/docs/neon#pooling"] * 2
    sources = reply.get_by_role("region", name="Sources").get_by_role("link")
    expect(sources).to_have_count(1)
    expect(sources).to_contain_text("Neon")
    expect(sources).to_contain_text("Pooling")
    assert sources.get_attribute("href") == "/docs/neon#pooling"
    expect(page.get_by_role("button", name="Send message")).to_be_visible()
    expect(page.get_by_role("textbox", name="Message")).to_be_focused()
    assert server.sent("threads.create") == [
        {
            "input": {
                "content": [{"type": "input_text", "text": "How?"}],
                "attachments": [],
                "inference_options": {},
            }
        }
    ]


def test_only_the_last_block_is_painted_while_an_answer_streams(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    gate = server.gate()
    words = [delta(f"word{i} ") for i in range(50)]
    server.stream(
        "threads.create", created(), begun(), delta("First.\n\nSecond "), gate, *words, delta("end")
    )
    element.mount()
    element.ask("Hi")
    first = page.locator(".markdown p").first
    expect(first).to_have_text("First.")
    first.evaluate(
        """node => {
          window.changes = 0;
          new MutationObserver((records) => { window.changes += records.length; })
            .observe(node, { childList: true, characterData: true, subtree: true });
        }"""
    )
    gate.open()
    expect(page.locator(".markdown p").nth(1)).to_contain_text("word49 end")
    assert page.evaluate("window.changes") == 0
    expect(first).to_have_text("First.")


def test_code_is_copied_without_its_fence(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    script_answer(server, "```js\nlet a = 1 < 2;\n```")
    element.mount()
    element.ask("Hi")
    copy(page, "Copy code")
    assert page.evaluate("navigator.clipboard.readText()") == "let a = 1 < 2;"


def test_stop_ends_the_request_and_keeps_the_text(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    gate = server.gate()
    server.stream("threads.create", created(), done(question("Hi")), begun(), delta("Half"), gate)
    server.stream("threads.add_user_message", done(question("More", "msg_2")))
    element.mount()
    element.ask("Hi")
    expect(articles(page).nth(1)).to_contain_text("Half")
    stop(page).click()

    assert server.hung_up.wait(60)
    expect(page.get_by_text("This answer was stopped.").first).to_be_visible()
    expect(articles(page).nth(1)).to_contain_text("Half")
    expect(page.get_by_role("alert")).to_have_count(0)
    assert [name for name, _ in element.events("response.start", "response.end")] == [
        "response.start",
        "response.end",
    ]
    element.ask("More")
    expect(articles(page)).to_have_count(3)
    assert server.sent("threads.add_user_message")[0]["thread_id"] == "thr_1"


def test_nothing_is_sent_while_an_answer_streams(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    gate = server.gate()
    server.stream("threads.create", created(), begun(), delta("Half"), gate)
    element.mount()
    element.ask("Hi")
    expect(articles(page).nth(1)).to_contain_text("Half")
    box = page.get_by_role("textbox", name="Message")
    box.fill("Impatient")
    box.press("Enter")
    expect(box).to_have_value("Impatient")
    gate.open()
    expect(page.get_by_role("button", name="Send message")).to_be_enabled()
    assert len(server.requests) == 1


def test_shift_enter_makes_a_line_and_blank_text_is_not_sent(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    script_answer(server)
    element.mount()
    box = page.get_by_role("textbox", name="Message")
    box.fill("   ")
    box.press("Enter")
    expect(page.get_by_role("button", name="Send message")).to_be_disabled()
    box.fill("one")
    box.press("Shift+Enter")
    box.press_sequentially("two")
    box.press("Enter")
    expect(articles(page).nth(1)).to_be_visible()
    assert [sent["input"]["content"][0]["text"] for sent in server.sent("threads.create")] == [
        "one\ntwo"
    ]


def test_the_start_screen_offers_questions(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    script_answer(server)
    prompts = [{"label": "Connect Neon", "prompt": "How do I connect Neon?", "icon": "book-open"}]
    element.mount(startScreen={"greeting": "Ask the docs", "prompts": prompts})
    expect(page.get_by_role("heading", name="Ask the docs")).to_be_visible()
    check_accessibility(page)
    page.get_by_role("button", name="Connect Neon").click()
    expect(articles(page).nth(1)).to_contain_text("Hello.")
    sent = server.sent("threads.create")[0]["input"]["content"]
    assert sent == [{"type": "input_text", "text": "How do I connect Neon?"}]


def test_history_lists_opens_and_deletes_threads(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    first = [thread(f"thr_{n}", f"Chat {n}") for n in (3, 2)]
    server.answer("threads.list", {"data": first, "has_more": True, "after": "thr_2"})
    server.answer("threads.list", page_of([thread("thr_1", "Chat 1")]))
    element.mount()
    page.get_by_role("button", name="Chat history").click()
    expect(page.get_by_role("heading", name="Your chats")).to_be_focused()
    check_accessibility(page)
    page.get_by_role("button", name="Load more").click()
    expect(page.get_by_role("listitem")).to_have_count(3)
    assert server.sent("threads.list", 2)[1]["after"] == "thr_2"

    server.answer("threads.delete", {})
    page.get_by_role("button", name="Delete “Chat 2”").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    assert server.sent("threads.delete", 0) == []
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("listitem")).to_have_count(2)
    assert server.sent("threads.delete") == [{"thread_id": "thr_2"}]

    items = page_of([question("Old question"), answer("Old answer")])
    server.answer("threads.get_by_id", {**thread("thr_1", "Chat 1"), "items": items})
    page.get_by_role("button", name=re.compile("^Chat 1")).click()
    expect(articles(page).nth(1)).to_contain_text("Old answer")
    expect(page.get_by_role("heading", name="Chat 1")).to_be_visible()
    expect(page.get_by_role("textbox", name="Message")).to_be_focused()
    assert element.events("history.open", "history.close", "thread.change") == [
        ["history.open", None],
        ["history.close", None],
        ["thread.change", {"threadId": "thr_1"}],
    ]

    page.get_by_role("button", name="New chat").click()
    expect(articles(page)).to_have_count(0)
    expect(page.get_by_role("textbox", name="Message")).to_be_focused()
    assert element.events("thread.change")[-1] == ["thread.change", {"threadId": None}]


def test_history_without_chats_says_so_and_escape_leaves_it(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    server.answer("threads.list", page_of([]))
    element.mount()
    page.get_by_role("button", name="Chat history").click()
    expect(page.get_by_text("No chats yet")).to_be_visible()
    check_accessibility(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="Your chats")).to_have_count(0)
    expect(page.get_by_role("textbox", name="Message")).to_be_focused()


def test_a_history_that_cannot_be_read_can_be_asked_for_again(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    server.refuse("threads.list", 503, "The database is away.")
    server.answer("threads.list", page_of([thread("thr_1", "Chat 1")]))
    element.mount()
    page.get_by_role("button", name="Chat history").click()
    expect(page.get_by_role("alert")).to_contain_text("The database is away.")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("button", name=re.compile("^Chat 1"))).to_be_visible()


def test_a_thread_is_there_again_after_a_reload(page: Page, server: ScriptedServer) -> None:
    script_answer(server, "First answer")
    page.goto("/chat")
    ElementPage(page).ask("Hi")
    expect(articles(page).nth(1)).to_contain_text("First answer")

    history = [question(f"Question {n}", f"msg_{n}") for n in range(45)]
    loaded = {**thread(title="Kept"), "items": page_of(history[:20], after="msg_19")}
    server.answer("threads.get_by_id", loaded)
    server.answer("items.list", page_of(history[20:40], after="msg_39"))
    server.answer("items.list", page_of(history[40:]))
    page.reload()
    expect(articles(page)).to_have_count(45)
    expect(articles(page).last).to_have_text(re.compile("Question 44$"))
    expect(articles(page).last).to_be_in_viewport()
    assert server.sent("threads.get_by_id") == [{"thread_id": "thr_1"}]
    assert [(sent["after"], sent["order"]) for sent in server.sent("items.list")] == [
        ("msg_19", "asc"),
        ("msg_39", "asc"),
    ]
    secrets = {headers["x-session-id"] for headers in server.headers}
    assert len(secrets) == 1
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", secrets.pop())


@pytest.mark.parametrize(
    ("status", "message", "again"),
    [
        (401, "Sign in to ask.", False),
        (409, "An answer is on its way.", True),
        (413, "That is too long.", False),
        (429, "That was a lot.", True),
        (503, "The database is away.", True),
    ],
)
def test_a_refused_message_says_why(
    element: ElementPage,
    server: ScriptedServer,
    page: Page,
    status: int,
    message: str,
    again: bool,
) -> None:
    server.refuse("threads.create", status, message, **{"Retry-After": "7"})
    script_answer(server)
    element.mount()
    element.ask("Hi")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(f"{message} Try again in 7 seconds.")
    check_accessibility(page)
    retry = page.get_by_role("button", name="Try again")
    if again:
        expect(articles(page)).to_have_count(1)
        retry.click()
        expect(alert).to_have_count(0)
    else:
        expect(retry).to_have_count(0)
        box = page.get_by_role("textbox", name="Message")
        expect(box).to_have_value("Hi")
        box.press("Enter")
    expect(articles(page).nth(1)).to_contain_text("Hello.")
    sent = server.sent("threads.create")
    assert len(sent) == 2
    assert sent[0] == sent[1]


def test_a_message_to_a_thread_that_is_gone_offers_a_new_chat(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    script_answer(server)
    server.refuse("threads.add_user_message", 404, "There is no such thread.")
    element.mount()
    element.ask("Hi")
    expect(articles(page).nth(1)).to_be_visible()
    element.ask("More")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("There is no such thread.")
    alert.get_by_role("button", name="New chat").click()
    expect(articles(page)).to_have_count(0)


def test_a_lost_connection_is_told_and_the_answer_asked_for_again(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    gate = server.gate()
    server.stream(
        "threads.create", created(), done(question("Hi")), begun(), delta("Half"), gate, Drop()
    )
    server.stream("threads.retry_after_item", begun("msg_b"), done(answer("Whole", "msg_b")))
    element.mount()
    element.ask("Hi")
    expect(articles(page).nth(1)).to_contain_text("Half")
    gate.open()
    expect(page.get_by_role("alert")).to_contain_text("The connection was lost.")
    expect(articles(page).nth(1)).to_contain_text("Half")
    page.get_by_role("button", name="Try again").click()
    expect(articles(page).nth(1)).to_contain_text("Whole")
    expect(articles(page)).to_have_count(2)
    expect(page.get_by_role("alert")).to_have_count(0)
    assert server.sent("threads.retry_after_item") == [{"thread_id": "thr_1", "item_id": "msg_q"}]


def test_what_the_assistant_does_is_told_briefly(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    gates = [server.gate() for _ in range(3)]
    task = {"type": "web_search", "title_query": "pooling", "status_indicator": "loading"}
    workflow = {"type": "custom", "tasks": [task]}
    update = {"type": "workflow.task.updated", "task_index": 0}
    server.stream(
        "threads.create",
        created(),
        {"type": "progress_update", "text": "Reading the docs"},
        gates[0],
        {"type": "thread.item.added", "item": item("workflow", "wf_1", workflow=workflow)},
        gates[1],
        {
            "type": "thread.item.updated",
            "item_id": "wf_1",
            "update": {**update, "task": {**task, "status_indicator": "complete"}},
        },
        gates[2],
        done(answer("Found.")),
        {"type": "notice", "level": "warning", "title": "Cut", "message": "The answer is **cut**."},
    )
    element.mount()
    element.ask("Hi")
    expect(page.get_by_text("Reading the docs")).to_be_visible()
    gates[0].open()
    expect(page.get_by_text("Searching the docs for “pooling”")).to_be_visible()
    gates[1].open()
    expect(page.get_by_text("Searched the docs for “pooling”")).to_be_visible()
    gates[2].open()
    expect(page.get_by_role("note")).to_contain_text("The answer is cut.")
    expect(page.get_by_role("status")).to_have_text("The answer is complete.")
    check_accessibility(page)


def test_the_view_follows_the_answer_until_the_reader_scrolls_up(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    gate = server.gate()
    lines = [delta(f"Line {n}.\n\n") for n in range(60)]
    server.stream("threads.create", created(), begun(), *lines, gate, *lines, delta("The end"))
    element.mount()
    element.ask("Hi")
    log = page.get_by_role("log")
    expect(page.get_by_text("Line 59.")).to_be_in_viewport()
    log.hover()
    before = log.evaluate("node => node.scrollTop") - 30
    page.mouse.wheel(0, -30)
    latest = page.get_by_role("button", name="Scroll to the latest message")
    expect(latest).to_be_visible()
    # Some browsers scroll smoothly.
    expect(log).to_have_js_property("scrollTop", before)
    gate.open()
    expect(page.get_by_text("The end")).to_be_attached()
    expect(page.get_by_role("button", name="Send message")).to_be_visible()
    assert log.evaluate("node => node.scrollTop") == before
    latest.click()
    expect(page.get_by_text("The end")).to_be_in_viewport()
    expect(latest).to_have_count(0)


def test_a_closed_thread_takes_no_more_messages(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    closed = thread(status={"type": "closed", "reason": "Moved to the forum."})
    server.answer("threads.get_by_id", {**closed, "items": page_of([question("Old")])})
    element.mount(initialThread="thr_1")
    expect(page.get_by_text("Moved to the forum.")).to_be_visible()
    expect(page.get_by_role("textbox", name="Message")).to_have_count(0)
    check_accessibility(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("accent", [None, "#ffe14d", "#111111", "oklch(0.7 0.2 150)"])
def test_a_whole_answer_is_accessible_in_every_colour(
    element: ElementPage, server: ScriptedServer, page: Page, scheme: str, accent: str | None
) -> None:
    text = (
        "## Title\n\nSee [the page](/docs/a) and `code`.\n\n> quoted\n\n```sh\nls\n```\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n- [x] done\n- [ ] open\n"
    )
    cited = source("/docs/a#b", "Page", "Heading", 30)
    server.stream(
        "threads.create", created(), done(question("Hi")), done(answer(text, annotations=[cited]))
    )
    color = {"color": {"accent": {"primary": accent, "level": 1}}} if accent else {}
    element.mount(
        theme={"colorScheme": scheme, **color},
        threadItemActions={"feedback": True},
        disclaimer={"text": "Answers may be wrong."},
    )
    element.ask("Hi")
    expect(page.get_by_role("region", name="Sources")).to_be_visible()
    expect(page.locator("pre")).to_have_attribute("tabindex", "0")
    check_accessibility(page)
    background = page.locator(".app").evaluate("node => getComputedStyle(node).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(22, 24, 29)")


def test_feedback_goes_to_the_server(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    script_answer(server)
    server.answer("items.feedback", {})
    element.mount(threadItemActions={"feedback": True})
    element.ask("Hi")
    good = page.get_by_role("button", name="Good answer")
    good.click()
    expect(good).to_have_attribute("aria-pressed", "true")
    assert server.sent("items.feedback") == [
        {"thread_id": "thr_1", "item_ids": ["msg_a"], "kind": "positive"}
    ]


def test_untrusted_markdown_stays_text(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    text = (
        "<img src=x onerror=alert(1)><script>alert(2)</script>\n\n"
        "[js](javascript:alert(3)) [data](data:text/html,x) [vb](vbscript:x) "
        "[ok](https://example.com/) [mail](mailto:a@example.com) [here](/docs/a)\n\n"
        "![secret](https://evil.example/?q=secret) ![fine](https://img.allowed.example/a.png)\n"
    )
    allowed = created(allowed_image_domains=["allowed.example"])
    server.stream("threads.create", allowed, done(question("Hi")), done(answer(text)))
    page.route("https://img.allowed.example/**", lambda route: route.fulfill(status=204))
    element.mount()
    element.ask("Hi")
    reply = articles(page).nth(1)
    expect(reply).to_contain_text("<script>alert(2)</script>")
    links = reply.locator("a")
    assert [(link.inner_text(), link.get_attribute("href")) for link in links.all()] == [
        ("ok", "https://example.com/"),
        ("mail", "mailto:a@example.com"),
        ("here", "/docs/a"),
        ("secret", "https://evil.example/?q=secret"),
    ]
    expect(reply.locator("img")).to_have_attribute("src", "https://img.allowed.example/a.png")
    assert not any("evil.example" in url for url in fetched)
    outside = reply.get_by_role("link", name="ok")
    assert (outside.get_attribute("target"), outside.get_attribute("rel")) == (
        "_blank",
        "noopener noreferrer",
    )


def test_the_chat_page_follows_the_colours_of_the_system(
    page: Page, server: ScriptedServer
) -> None:
    page.goto("/chat")
    app = page.locator(".app")
    expect(app).to_have_css("background-color", "rgb(255, 255, 255)")
    page.emulate_media(color_scheme="dark")
    expect(app).to_have_css("background-color", "rgb(22, 24, 29)")
    assert server.requests == []


def test_motion_is_left_out_where_it_is_not_wanted(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    page.emulate_media(reduced_motion="reduce")
    gate = server.gate()
    server.stream("threads.create", created(), gate)
    element.mount()
    element.ask("Hi")
    expect(page.locator(".dots i").first).to_have_css("animation-name", "none")
    gate.open()


def test_axe_is_there() -> None:
    assert AXE.exists(), f"{Path(AXE)} is missing; run `npm install` in web/"


def test_citations_find_their_place_in_any_markdown(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    parts = [
        "**Note:**",
        " see [the page](/docs/x)",
        " or `code`",
        ".\n\n```\nls\n```",
        "\n\n| a | b |\n|---|---|\n| 1 | 2 |",
        "\n\n- item",
        "\n\nLast https://example.com/x",
    ]
    annotations = [
        source(f"/docs/{n}", f"Page {n}", "", len("".join(parts[:n])))
        for n in range(1, len(parts) + 1)
    ]
    text = "".join(parts)
    server.stream(
        "threads.create", created(), done(answer(text, annotations=annotations)), delta(".")
    )
    element.mount()
    element.ask("Hi")
    reply = articles(page).nth(1)
    expect(reply.locator(".cite")).to_have_text([str(n) for n in range(1, len(parts) + 1)])
    expect(reply.locator("strong")).to_have_text("Note:")
    expect(reply.locator("p").first).to_have_text("Note:1 see the page2 or code3.")
    expect(reply.locator("pre")).to_have_text("ls")
    expect(reply.locator("td").nth(1)).to_have_text("25")
    expect(reply.locator(".markdown li")).to_have_text("item6")
    expect(reply.locator("a a, button a, pre .cite, code .cite")).to_have_count(0)
    bare = reply.get_by_role("link", name="https://example.com/x")
    assert bare.get_attribute("href") == "https://example.com/x"
