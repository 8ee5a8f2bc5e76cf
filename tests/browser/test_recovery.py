"""What failed and is tried again, in the reader's words; servers that are not to be had."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.composer import box, button
from tests.browser.element import ElementPage
from tests.browser.events import answer, created, done, item, page_of, question, source, thread
from tests.browser.gallery import action, node
from tests.browser.protocol import Event, ScriptedServer

pytestmark = pytest.mark.browser

UNREACHED = "The chat’s server can’t be reached, or doesn’t accept this site."


def widget(*children: Event) -> Event:
    return item("widget", "wid_1", widget=node("Card", *children))


@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "synchronous"])
def test_a_failed_action_of_a_widget_is_what_is_tried_again(
    element: ElementPage, server: ScriptedServer, page: Page, streaming: bool
) -> None:
    kind = "threads.custom_action" if streaming else "threads.sync_custom_action"
    like = action("like", payload={"stars": 5}, streaming=streaming)
    shown = widget(node("Button", label="Like", onClickAction=like))
    server.stream("threads.create", created(), done(question("Hi")), done(shown))
    server.refuse(kind, 503, "The database is away.")
    loaded = page_of([question("Hi"), shown])
    server.answer("threads.get_by_id", {**thread(), "items": loaded})
    if streaming:
        server.stream(kind, done(answer("Liked.")))
    else:
        server.answer(kind, {"updated_item": widget(node("Text", value="Liked."))})
    element.mount()
    element.ask("Hi")
    button(page, "Like").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The database is away.")
    alert.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Liked.").first).to_be_visible()
    expect(alert).to_have_count(0)
    first, second = server.sent(kind)
    assert first == second
    assert first["action"] == {"type": "like", "payload": {"stars": 5}}
    assert server.sent("threads.retry_after_item", 0) == []


def test_a_failed_form_is_what_is_tried_again(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    asked = {"type": "freeform", "id": "os", "question": "Which system?"}
    form = item("structured_input", "form_1", status="pending", inputs=[asked])
    answered = {
        **form,
        "status": "answered",
        "inputs": [{**asked, "answer": {"values": ["Linux"]}}],
    }
    server.stream("threads.create", created(), done(question("Hi")), done(form))
    server.refuse("threads.add_structured_input", 503, "The database is away.")
    loaded = page_of([question("Hi"), form])
    server.answer("threads.get_by_id", {**thread(), "items": loaded})
    replaced = {"type": "thread.item.replaced", "item": answered}
    server.stream("threads.add_structured_input", replaced, done(answer("Good.")))
    element.mount()
    element.ask("Hi")
    page.get_by_role("textbox", name="Which system?").fill("Linux")
    button(page, "Send answers").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The database is away.")
    alert.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Good.")).to_be_visible()
    first, second = server.sent("threads.add_structured_input")
    assert first == second
    assert server.sent("threads.retry_after_item", 0) == []


def test_a_server_that_refuses_the_site_is_told_apart_from_a_lost_connection(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    warnings: list[str] = []
    page.on("console", lambda said: warnings.append(said.text) if said.type == "warning" else None)
    page.route("**/chatkit", lambda route: route.abort("failed"))
    # As for a server on another origin: nothing is known of its resume.
    element.mount(resume=False)
    with page.expect_console_message(lambda said: "no answer from a ChatKit server" in said.text):
        element.ask("Hi")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(UNREACHED)
    assert [text for text in warnings if f"{server.url}/chatkit" in text]

    page.unroute("**/chatkit")
    server.answer("threads.list", page_of([]))
    server.stream("threads.create", created(), done(question("Hi")), done(answer("Hello.")))
    alert.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Hello.")).to_be_visible()
    page.route("**/chatkit", lambda route: route.abort("failed"))
    element.ask("More?")
    expect(alert).to_contain_text("The connection was lost.")
    assert len([text for text in warnings if "ChatKit server" in text]) == 1


def test_a_host_of_plain_files_is_no_chat_server(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    def refuse(route: Route) -> None:
        route.fulfill(status=405, content_type="text/html", body="<h1>Not allowed</h1>")

    page.route("**/chatkit", refuse)
    element.mount()
    element.ask("Hi")
    expect(page.get_by_role("alert")).to_contain_text(UNREACHED)
    button(page, "Chat history").click()
    expect(page.get_by_role("alert").first).to_contain_text(UNREACHED)


def test_words_for_the_author_of_a_page_are_not_the_readers(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    words = "params.input.quoted_text may have 4000 characters."
    server.refuse("threads.create", 400, words)
    element.mount(locale="de")
    page.evaluate(
        """() => document.getElementById('chat').addEventListener('chatkit.error', ({ detail }) => {
          window.cause = detail.error.cause;
        })"""
    )
    page.get_by_role("textbox", name="Nachricht").fill("Hallo")
    page.get_by_role("button", name="Nachricht senden").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Der Server konnte mit dieser Nachricht nichts anfangen.")
    expect(page.get_by_role("textbox", name="Nachricht")).to_have_value("Hallo")
    assert page.evaluate("window.cause") == words


def test_a_tool_that_the_server_waits_for_runs_after_a_reload(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    call = item("client_tool_call", "call_1", name="theme", status="pending", arguments={"to": 1})
    loaded = {**thread(), "items": page_of([question("Hi"), call])}
    server.answer("threads.get_by_id", loaded)
    server.stream("threads.add_client_tool_output", done(answer("It is dark now.")))
    page.goto("/")
    page.evaluate(
        """() => {
          const chat = document.createElement('docs-chatkit');
          window.ran = [];
          chat.setOptions({
            api: { url: '/chatkit', domainKey: 'local' },
            initialThread: 'thr_1',
            onClientTool: (call) => {
              window.ran.push(call);
              return { done: true };
            },
          });
          document.body.append(chat);
        }"""
    )
    expect(page.get_by_text("It is dark now.")).to_be_visible()
    assert page.evaluate("window.ran") == [{"name": "theme", "params": {"to": 1}}]
    assert server.sent("threads.add_client_tool_output") == [
        {"thread_id": "thr_1", "result": {"done": True}}
    ]


def test_the_sources_of_an_answer_are_announced_though_a_widget_follows(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    cited = [source("/docs/a#b", "A", "B", 2), source("/docs/c", "C", "", 4)]
    shown = widget(node("Text", value="More."))
    reply = done(answer("So it is.", annotations=cited))
    server.stream("threads.create", created(), done(question("Hi")), reply, done(shown))
    element.mount()
    element.ask("Hi")
    expect(page.get_by_role("status")).to_have_text("The answer is complete, with 2 sources.")


def test_other_words_of_one_section_have_a_mark_that_leads_to_them(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    text = "First thing. Second thing. ![A plan](/plan.png)"
    cited = [
        source("/docs/a#b", "A", "B\nthe first words", 12),
        source("/docs/a#b", "A", "B\nthe second words", 26),
        source("/docs/c", "C", "", text.index("plan]")),
    ]
    server.stream("threads.create", created(), done(answer(text, annotations=cited)))
    element.mount()
    element.ask("Hi")
    marks = page.locator(".markdown .cite")
    expect(marks).to_have_text(["1", "1", "2"])
    expect(page.get_by_role("region", name="Sources").get_by_role("listitem")).to_have_count(2)
    hrefs = [mark.get_attribute("href") or "" for mark in marks.all()]
    assert ["first" in hrefs[0], "second" in hrefs[1]] == [True, True]
    marks.nth(1).hover()
    expect(page.get_by_role("tooltip")).to_contain_text("the second words")


def test_progress_shows_the_icon_that_the_server_names(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    gate, more = server.gate(), server.gate()
    working = {"type": "progress_update", "text": "Reading the docs", "icon": "book-open"}
    plain = {"type": "progress_update", "text": "Thinking hard"}
    server.stream("threads.create", created(), working, gate, plain, more, done(answer("So.")))
    element.mount()
    element.ask("Hi")
    waiting = page.locator(".thinking")
    expect(waiting).to_have_text("Reading the docs")
    expect(waiting.locator("svg")).to_have_count(1)
    expect(waiting.locator(".dots")).to_have_count(0)
    gate.open()
    expect(waiting).to_have_text("Thinking hard")
    expect(waiting.locator("svg")).to_have_count(0)
    expect(waiting.locator(".dots")).to_have_count(1)
    more.open()
    expect(page.get_by_role("article").nth(1)).to_have_text(re.compile("So."))
    expect(box(page)).to_be_focused()
