"""The element as the page's code sees it, and the faults that others met with such elements."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.element import ElementPage, wait_until
from tests.browser.events import (
    added,
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
from tests.browser.protocol import ScriptedServer

pytestmark = pytest.mark.browser

OPTIONS = "{ api: { url: '/chatkit', domainKey: 'local' } }"


def test_ready_reaches_a_listener_that_comes_after_the_options(
    page: Page, server: ScriptedServer
) -> None:
    """Fault 1: React sets the options in one phase and adds its listeners in a later one."""
    page.goto("/")
    page.evaluate(
        f"""async () => {{
          const chat = document.createElement('docs-chatkit');
          document.body.append(chat);
          // The page may be held up for longer than the element waits: a quarter of a second is
          // not over before the listener is there, and less than that at once.
          const {{ setTimeout }} = window;
          window.setTimeout = (run, ms) => (ms < 250 ? run() : 0);
          chat.setOptions({OPTIONS});
          window.setTimeout = setTimeout;
          // As React's scheduler does it.
          const {{ port1, port2 }} = new MessageChannel();
          await new Promise((later) => {{
            port1.onmessage = later;
            port2.postMessage(null);
          }});
          chat.addEventListener('chatkit.ready', () => {{ window.heard = true; }});
        }}"""
    )
    wait_until(page, "() => window.heard")


def test_a_page_that_never_listens_gets_its_chat_all_the_same(
    page: Page, server: ScriptedServer
) -> None:
    server.answer("threads.get_by_id", {**thread(), "items": page_of([question("Old")])})
    page.goto("/")
    page.evaluate(
        """() => {
          const chat = document.createElement('docs-chatkit');
          chat.setOptions({
            api: { url: '/chatkit', domainKey: 'local' }, initialThread: 'thr_1',
          });
          document.body.append(chat);
        }"""
    )
    expect(page.get_by_role("article")).to_contain_text("Old")


def test_methods_can_be_called_before_anything_is_shown(page: Page, server: ScriptedServer) -> None:
    """Fault 2: what is called early happens when the chat is there."""
    server.stream("threads.create", created(), done(question("Hi")), done(answer("Hello.")))
    page.goto("/")
    page.evaluate(
        f"""async () => {{
          const chat = document.createElement('docs-chatkit');
          const sent = chat.sendUserMessage({{ text: 'Hi' }});
          const focused = chat.focusComposer();
          chat.setOptions({OPTIONS});
          document.body.append(chat);
          await Promise.all([sent, focused]);
        }}"""
    )
    expect(page.get_by_role("article").nth(1)).to_contain_text("Hello.")
    expect(page.get_by_role("textbox", name="Message")).to_be_focused()


def test_the_focus_is_not_taken_from_a_reader_who_has_gone_on(
    page: Page, server: ScriptedServer
) -> None:
    page.goto("/")
    page.evaluate(
        f"""async () => {{
          const search = document.createElement('input');
          const chat = document.createElement('docs-chatkit');
          document.body.append(search, chat);
          const focused = chat.focusComposer();
          search.focus();
          chat.setOptions({OPTIONS});
          await focused;
        }}"""
    )
    expect(page.locator("input")).to_be_focused()


def test_deltas_may_come_before_their_part_and_fields_may_be_missing(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    """Fault 3."""
    part = {"type": "assistant_message.content_part.added", "content_index": 0, "content": {}}
    server.stream(
        "threads.create",
        {"type": "thread.created", "thread": {"id": "thr_1"}},
        added({"type": "assistant_message", "id": "msg_a"}),
        delta("Hel"),
        {"type": "thread.item.updated", "item_id": "msg_a", "update": part},
        delta("lo."),
        added({"type": "workflow", "id": "wf_1", "workflow": {}}),
    )
    element.mount()
    element.ask("Hi")
    expect(page.get_by_role("article").nth(1)).to_contain_text("Hello.")


def test_a_citation_stands_where_the_code_points_say(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    """Fault 4: Python counts an emoji once, JavaScript twice."""
    first = "👩‍🚀🚀 Rockets fly"
    text = first + " and land."
    server.stream(
        "threads.create",
        created(),
        begun(),
        delta(text),
        annotated(source("/docs/a", "A", "B", len(first))),
    )
    element.mount()
    element.ask("Hi")
    expect(page.locator(".markdown p")).to_have_text("👩‍🚀🚀 Rockets fly1 and land.")


def test_a_stored_thread_that_is_gone_leaves_a_new_one(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    """Fault 5."""
    server.refuse("threads.get_by_id", 404, "There is no such thread.")
    server.stream("threads.create", created(), done(question("Hi")), done(answer("Hello.")))
    element.mount(initialThread="thr_gone")
    expect(page.get_by_role("heading", name="What can I help with today?")).to_be_visible()
    assert element.events("thread.change") == [["thread.change", {"threadId": None}]]
    expect(page.get_by_role("alert")).to_have_count(0)
    element.ask("Hi")
    expect(page.get_by_role("article").nth(1)).to_contain_text("Hello.")
    assert server.sent("threads.create")


def test_a_thread_that_cannot_be_loaded_is_kept_and_loaded_again(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    server.refuse("threads.get_by_id", 503, "The database is away.")
    server.answer("threads.get_by_id", {**thread(), "items": page_of([question("Old")])})
    element.mount(initialThread="thr_1")
    expect(page.get_by_role("alert")).to_contain_text("The database is away.")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("article")).to_contain_text("Old")
    assert element.events("thread.change") == []


def test_the_chat_works_without_storage_and_without_random_uuid(
    page: Page, server: ScriptedServer
) -> None:
    """Fault 6: plain http has no randomUUID, and some browsers block storage."""
    page.add_init_script(
        """delete Crypto.prototype.randomUUID;
        Object.defineProperty(window, 'localStorage', {
          get() { throw new DOMException('blocked', 'SecurityError'); },
        });"""
    )
    server.stream("threads.create", created(), done(question("Hi")), done(answer("Hello.")))
    more = done(question("More", "msg_2")), done(answer("Bye.", "msg_3"))
    server.stream("threads.add_user_message", *more)
    page.goto("/chat")
    chat = ElementPage(page)
    chat.ask("Hi")
    expect(page.get_by_role("article").nth(1)).to_contain_text("Hello.")
    chat.ask("More")
    expect(page.get_by_role("article").nth(3)).to_contain_text("Bye.")
    assert len(server.requests) == 2
    assert len({headers["x-session-id"] for headers in server.headers}) == 1


def test_keys_of_the_chat_do_not_open_the_search_of_the_site(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    """Fault 8: the site sees only the host of the shadow root as target."""
    element.mount()
    page.evaluate(
        """() => {
          window.keys = [];
          window.addEventListener('keydown', (event) => window.keys.push(event.key));
        }"""
    )
    page.get_by_role("textbox", name="Message").focus()
    for key in ("/", "Control+k", "Meta+k", "s"):
        page.keyboard.press(key)
    page.get_by_role("button", name="Chat history").focus()
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    assert set(page.evaluate("window.keys")) <= {"Control", "Meta", "Escape"}
    assert "Escape" in page.evaluate("window.keys")


def test_unknown_events_updates_and_items_are_passed_over(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    server.stream(
        "threads.create",
        created(),
        {"type": "thread.sparkled", "glitter": True},
        done(item("hologram", "h_1")),
        {"type": "thread.item.added"},
        begun(),
        {"type": "thread.item.updated", "item_id": "msg_a", "update": {"type": "tickled"}},
        delta("Hello."),
        done(item("end_of_turn", "end_1")),
    )
    element.mount()
    element.ask("Hi")
    expect(page.get_by_role("article").nth(1)).to_contain_text("Hello.")
    expect(page.get_by_role("button", name="Send message")).to_be_visible()
    assert [event for event in element.events() if event[0] == "error"] == []


def test_every_event_of_a_turn_is_told_in_order(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    link = "[open](chatkit-link://settings?tab=keys)"
    server.answer("threads.get_by_id", {**thread(), "items": page_of([answer(link)])})
    server.stream(
        "threads.add_user_message",
        {"type": "client_effect", "name": "confetti", "data": {"n": 3}},
        {"type": "error", "message": "Out of words.", "allow_retry": False},
    )
    element.mount(initialThread="thr_1")
    page.get_by_role("button", name="open").click()
    element.call("setComposerValue", {"selectedToolId": "search"})
    element.ask("Hi")
    expect(page.get_by_role("alert")).to_contain_text("Out of words.")
    element.wait_for("response.end")
    assert element.events() == [
        ["ready", None],
        ["thread.load.start", {"threadId": "thr_1"}],
        ["thread.load.end", {"threadId": "thr_1"}],
        ["deeplink", {"name": "settings", "data": {"tab": "keys"}}],
        ["tool.change", {"toolId": "search"}],
        # A tool is chosen for one message.
        ["tool.change", {"toolId": None}],
        ["response.start", None],
        ["effect", {"name": "confetti", "data": {"n": 3}}],
        ["error", "Out of words."],
        ["response.end", None],
    ]
    sent = server.sent("threads.add_user_message")[0]["input"]
    assert sent["inference_options"] == {"tool_choice": {"id": "search"}}


def test_a_client_tool_of_the_page_is_run_and_its_result_sent(
    page: Page, server: ScriptedServer
) -> None:
    call = item("client_tool_call", "c_1", call_id="x", name="theme", arguments={"dark": True})
    server.stream("threads.create", created(), done(question("Hi")), done(call))
    server.stream("threads.add_client_tool_output", done(answer("Done.")))
    page.goto("/")
    page.evaluate(
        """() => {
          const chat = document.createElement('docs-chatkit');
          chat.setOptions({
            api: { url: '/chatkit', domainKey: 'local' },
            onClientTool: async ({ name, params }) => ({ name, was: params }),
          });
          document.body.append(chat);
        }"""
    )
    ElementPage(page).ask("Hi")
    expect(page.get_by_role("article").nth(1)).to_contain_text("Done.")
    assert server.sent("threads.add_client_tool_output") == [
        {"thread_id": "thr_1", "result": {"name": "theme", "was": {"dark": True}}}
    ]


def test_the_other_methods_do_what_they_say(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    element.mount()
    element.call("setComposerValue", {"text": "Draft", "reply": "Quoted words"})
    box = page.get_by_role("textbox", name="Message")
    expect(box).to_have_value("Draft")
    server.stream("threads.create", created(), done(question("Draft")))
    box.press("Enter")
    element.wait_for("response.end")
    assert server.sent("threads.create")[0]["input"]["quoted_text"] == "Quoted words"

    server.stream("threads.custom_action", done(answer("Acted.")))
    element.call("sendCustomAction", {"type": "go", "payload": {"n": 1}}, "msg_q")
    expect(page.get_by_text("Acted.")).to_be_visible()
    assert server.sent("threads.custom_action") == [
        {"thread_id": "thr_1", "action": {"type": "go", "payload": {"n": 1}}, "item_id": "msg_q"}
    ]

    server.answer("threads.get_by_id", {**thread(), "items": page_of([answer("Fresh.")])})
    element.call("fetchUpdates")
    expect(page.get_by_text("Fresh.")).to_be_visible()
    expect(page.get_by_text("Acted.")).to_have_count(0)

    server.answer("threads.list", page_of([]))
    element.call("showHistory")
    expect(page.get_by_text("No chats yet")).to_be_visible()
    element.call("hideHistory")
    expect(page.get_by_text("No chats yet")).to_have_count(0)

    server.stream("threads.create", created(id_="thr_2"))
    element.call("sendUserMessage", {"text": "New", "newThread": True})
    element.call("setThreadId", None)
    assert element.events("thread.change") == [
        ["thread.change", {"threadId": "thr_1"}],
        ["thread.change", {"threadId": None}],
        ["thread.change", {"threadId": "thr_2"}],
        ["thread.change", {"threadId": None}],
    ]


def test_options_of_openais_own_service_are_refused(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    element.mount(api={"getClientSecret": "x"})
    element.ask("Hi")
    expect(page.get_by_role("alert")).to_contain_text("options.api.url")
    assert "options.api.url" in element.events("error")[0][1]


def test_the_header_carries_the_buttons_of_the_page(page: Page, server: ScriptedServer) -> None:
    page.goto("/")
    page.evaluate(
        """() => {
          const chat = document.createElement('docs-chatkit');
          window.clicks = 0;
          chat.setOptions({
            api: { url: '/chatkit', domainKey: 'local' },
            header: {
              title: { text: 'Ask AI' },
              rightAction: { icon: 'close', onClick: () => { window.clicks += 1; } },
            },
          });
          document.body.append(chat);
        }"""
    )
    expect(page.get_by_role("heading", name="Ask AI")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    assert page.evaluate("window.clicks") == 1


def test_new_options_keep_the_thread_and_change_the_look(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    server.stream("threads.create", created(), done(question("Hi")), done(answer("Hello.")))
    element.mount(theme="light")
    element.ask("Hi")
    expect(page.get_by_role("article").nth(1)).to_be_visible()
    surface = {"background": "rebeccapurple", "foreground": "#fff"}
    theme = {"colorScheme": "dark", "color": {"surface": surface}}
    api = {"url": "/chatkit", "domainKey": "local"}
    element.call("setOptions", {"api": api, "theme": theme})
    expect(page.locator(".app")).to_have_css("background-color", "rgb(102, 51, 153)")
    expect(page.get_by_role("article").nth(1)).to_be_visible()


def test_the_name_of_openais_element_is_taken_only_when_asked_for(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    server.stream("threads.create", created(), done(question("Hi")), done(answer("Hello.")))
    page.goto("/")
    assert page.evaluate("customElements.get('openai-chatkit') === undefined")
    page.evaluate(
        """async () => {
          const { define } = await import('/chat/static/chatkit-element.js');
          define('openai-chatkit');
          define('openai-chatkit');
          const chat = document.createElement('openai-chatkit');
          chat.setOptions({ api: { url: '/chatkit', domainKey: 'local' } });
          document.body.append(chat);
        }"""
    )
    element.ask("Hi")
    expect(page.get_by_role("article").nth(1)).to_contain_text("Hello.")


def test_code_takes_the_colours_of_the_page(page: Page, server: ScriptedServer) -> None:
    fence = "```js\nlet a\n```"
    server.stream("threads.create", created(), done(question("Hi")), done(answer(fence)))
    page.goto("/")
    page.evaluate(
        """() => {
          const chat = document.createElement('docs-chatkit');
          chat.setOptions({
            api: { url: '/chatkit', domainKey: 'local' },
            highlight: (code, language) => language === 'js'
              ? [{ text: code.slice(0, 3), style: { color: 'rgb(1, 2, 3)' } },
                 { text: code.slice(3) }]
              : null,
          });
          document.body.append(chat);
        }"""
    )
    ElementPage(page).ask("Hi")
    expect(page.locator("pre span").first).to_have_css("color", "rgb(1, 2, 3)")
    expect(page.locator("pre")).to_have_text("let a")
