"""The composer with all its parts, worked by the keyboard: tools, models, files, speech, tags."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.composer import box, button, check_accessibility, choose, file
from tests.browser.element import ElementPage
from tests.browser.events import answer, created, done, item, page_of, question, thread
from tests.browser.protocol import ScriptedServer

pytestmark = pytest.mark.browser

TOOLS = [
    {
        "id": "search",
        "label": "Search the docs",
        "shortLabel": "Docs",
        "icon": "search",
        "placeholderOverride": "What should be found?",
    },
    {"id": "deep", "label": "Think longer", "icon": "sparkle", "persistent": True},
    {"id": "code", "label": "Answer in code", "icon": "write", "pinned": True},
]
MODELS = [
    {"id": "fast", "label": "Fast", "description": "For most questions"},
    {"id": "deep", "label": "Deep", "default": True},
    {"id": "gone", "label": "Gone", "disabled": True},
]
PEOPLE = [
    {"id": "ada", "title": "Ada L", "group": "People", "data": {"team": "core"}},
    {"id": "ada2", "title": "Ada L", "interactive": True},
    {"id": "bob", "title": "Bob"},
]
# `setOptions` with functions, which a test cannot send.
SET = """([options, script]) => {
  const chat = document.getElementById('chat');
  window.calls = [];
  const more = new Function('calls', `return ${script}`)(window.calls);
  chat.setOptions({ api: { url: '/chatkit', domainKey: 'local' }, ...options, ...more });
}"""
TAGS = f"""{{
  entities: {{
    showComposerMenu: true,
    onTagSearch: async (query) => {PEOPLE}.filter(
      ({{ title }}) => title.toLowerCase().startsWith(query.toLowerCase())),
    onClick: (entity) => calls.push(entity),
  }},
}}""".replace("True", "true")


def script_turns(server: ScriptedServer, *texts: str) -> None:
    for i, text in enumerate(texts):
        kind = "threads.add_user_message" if i else "threads.create"
        server.stream(
            kind,
            *([] if i else [created()]),
            done(question(text, f"q_{i}")),
            done(answer(f"Answer {i}", f"a_{i}")),
        )


def options_sent(server: ScriptedServer) -> list[Any]:
    requests = [*server.sent("threads.create"), *server.sent("threads.add_user_message")]
    return [request["input"]["inference_options"] for request in requests]


def test_a_tool_is_chosen_from_the_menu_for_one_message(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    script_turns(server, "One", "Two")
    element.mount(composer={"tools": TOOLS})
    menu = button(page, "Tools")
    menu.focus()
    page.keyboard.press("Enter")
    entries = page.get_by_role("menu", name="Tools").get_by_role("menuitemradio")
    expect(entries).to_have_text(["Search the docs", "Think longer"])
    expect(entries.first).to_be_focused()
    check_accessibility(page)
    page.keyboard.press("ArrowUp")
    expect(entries.last).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("menu")).to_have_count(0)
    expect(menu).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")

    expect(box(page)).to_be_focused()
    expect(box(page)).to_have_attribute("placeholder", "What should be found?")
    expect(button(page, "Remove “Search the docs”")).to_have_text("Docs")
    element.ask("One")
    expect(page.get_by_text("Answer 0")).to_be_visible()
    expect(button(page, "Remove “Search the docs”")).to_have_count(0)
    element.ask("Two")
    expect(page.get_by_text("Answer 1")).to_be_visible()
    assert options_sent(server) == [{"tool_choice": {"id": "search"}}, {}]
    assert element.events("tool.change") == [
        ["tool.change", {"toolId": "search"}],
        ["tool.change", {"toolId": None}],
    ]


def test_a_persistent_tool_stays_and_a_pinned_one_is_a_button(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    script_turns(server, "One", "Two")
    element.mount(composer={"tools": TOOLS})
    button(page, "Tools").press("ArrowUp")
    expect(page.get_by_role("menuitemradio").last).to_be_focused()
    page.keyboard.press("Enter")
    element.ask("One")
    expect(page.get_by_text("Answer 0")).to_be_visible()
    expect(button(page, "Remove “Think longer”")).to_be_visible()
    pinned = button(page, "Answer in code")
    pinned.press("Enter")
    expect(pinned).to_have_attribute("aria-pressed", "true")
    element.ask("Two")
    expect(page.get_by_text("Answer 1")).to_be_visible()
    expect(pinned).to_have_attribute("aria-pressed", "false")
    assert options_sent(server) == [
        {"tool_choice": {"id": "deep"}},
        {"tool_choice": {"id": "code"}},
    ]


def test_the_default_model_answers_until_another_is_chosen(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    script_turns(server, "One", "Two")
    element.mount(composer={"models": MODELS}, startScreen={"prompts": []})
    element.ask("One")
    expect(page.get_by_text("Answer 0")).to_be_visible()
    button(page, "Model: Deep").press("Enter")
    entries = page.get_by_role("menuitemradio")
    expect(entries.nth(1)).to_be_focused()
    expect(entries.nth(1)).to_have_attribute("aria-checked", "true")
    check_accessibility(page)
    # One that is not offered can be read about, and not be chosen.
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(entries.nth(2)).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(button(page, "Model: Fast")).to_be_visible()
    element.ask("Two")
    expect(page.get_by_text("Answer 1")).to_be_visible()
    assert options_sent(server) == [{"model": "deep"}, {"model": "fast"}]


def test_tags_are_found_written_sent_and_clicked(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    element.mount()
    page.evaluate(SET, [{}, TAGS])
    box(page).press_sequentially("Ask @a")
    entries = page.get_by_role("listbox", name="Suggestions").get_by_role("option")
    expect(entries).to_have_text(["Ada LPeople", "Ada L"])
    expect(page.get_by_role("status").filter(has_text="2 suggestions")).to_have_count(1)
    expect(entries.first).to_have_attribute("aria-selected", "true")
    check_accessibility(page)
    page.keyboard.press("ArrowDown")
    expect(entries.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.get_by_role("listbox")).to_have_count(0)
    expect(box(page)).to_have_value("Ask @Ada L ")
    expect(page.locator("mark")).to_have_text("@Ada L")
    box(page).press_sequentially("and @Ada")
    expect(entries.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Tab")
    expect(box(page)).to_have_value("Ask @Ada L and @Ada L ")
    # Text before a tag moves it; an edit within one makes it words again.
    page.keyboard.press("Home")
    page.keyboard.type("Do: ")
    page.keyboard.press("End")
    page.keyboard.type("or @b")
    expect(entries).to_have_text(["Bob"])
    page.keyboard.press("Enter")
    # Each key once the one before has been painted, as people type.
    expect(page.locator("mark")).to_have_text(["@Ada L", "@Ada L", "@Bob"])
    page.keyboard.press("Backspace")
    expect(box(page)).to_have_value("Do: Ask @Ada L and @Ada L or @Bob")
    # The tag goes as a whole.
    page.keyboard.press("Backspace")
    expect(box(page)).to_have_value("Do: Ask @Ada L and @Ada L or ")

    tag = {"type": "input_tag", "text": "Ada L"}
    content = [
        {"type": "input_text", "text": "Do: Ask "},
        {**tag, "id": "ada2", "data": {}, "interactive": True},
        {"type": "input_text", "text": " and "},
        {**tag, "id": "ada", "data": {"team": "core"}, "group": "People"},
        {"type": "input_text", "text": " or"},
    ]
    sent = item("user_message", "q_1", content=content, attachments=[], inference_options={})
    server.stream("threads.create", created(), done(sent), done(answer("Yes.")))
    page.keyboard.press("Enter")
    expect(page.get_by_text("Yes.")).to_be_visible()
    assert server.sent("threads.create")[0]["input"]["content"] == content
    button(page, "@Ada L").press("Enter")
    assert page.evaluate("calls") == [
        {"id": "ada2", "title": "Ada L", "interactive": True, "data": {}}
    ]


def test_escape_closes_the_suggestions_and_enter_then_sends(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    script_turns(server, "@b")
    element.mount()
    page.evaluate(SET, [{}, TAGS])
    button(page, "Mention something").press("Enter")
    expect(box(page)).to_have_value("@")
    page.keyboard.type("b")
    expect(page.get_by_role("option")).to_have_text(["Bob"])
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Answer 0")).to_be_visible()
    content = server.sent("threads.create")[0]["input"]["content"]
    assert content == [{"type": "input_text", "text": "@b"}]


def test_commands_do_something_insert_a_tag_or_open_a_menu(
    element: ElementPage, page: Page
) -> None:
    element.mount()
    commands = """{
      commands: {
        enabled: true,
        onSearch: async (query) => [
          { id: 'clear', label: 'Clear' },
          { id: 'pick', label: 'Pick', description: 'Someone' },
        ].filter(({ label }) => label.toLowerCase().includes(query)),
        onSelect: async ({ id }) => {
          calls.push(id);
          if (id === 'pick') return { type: 'menu', commands: [{ id: 'bob', label: 'Bob' }] };
          if (id === 'bob') return { type: 'entity', entity: { id: 'bob', title: 'Bob' } };
        },
      },
    }"""
    page.evaluate(SET, [{"composer": {"tools": TOOLS}}, commands])
    entries = page.get_by_role("option")
    box(page).press_sequentially("/")
    expect(entries).to_have_text(
        ["Search the docs", "Think longer", "Answer in code", "Clear", "PickSomeone"]
    )
    page.keyboard.type("think")
    expect(entries).to_have_text(["Think longer"])
    page.keyboard.press("Enter")
    expect(button(page, "Remove “Think longer”")).to_be_visible()
    expect(box(page)).to_have_value("")
    page.keyboard.type("To /pi")
    expect(entries).to_have_text(["PickSomeone"])
    page.keyboard.press("Enter")
    expect(entries).to_have_text(["Bob"])
    page.keyboard.press("Enter")
    expect(box(page)).to_have_value("To @Bob ")
    page.keyboard.type("/cl")
    expect(entries).to_have_text(["Clear"])
    page.keyboard.press("Enter")
    expect(box(page)).to_have_value("To @Bob ")
    assert page.evaluate("calls") == ["pick", "bob", "clear"]


FILE_OPTIONS = {
    "enabled": True,
    "maxSize": {"text/*": 100, "*": 1_000_000},
    "maxCount": 2,
    "accept": {"image/png": [".png"], "text/plain": [".txt", ".log"]},
}


def test_what_may_not_be_attached_is_said_for_each_file(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    def plain(id_: str, name: str) -> dict[str, Any]:
        return {"type": "file", "id": id_, "name": name, "mime_type": "text/plain"}

    element.mount(composer={"attachments": FILE_OPTIONS})
    server.answer("attachments.create", plain("atc_1", "a.log"))
    server.answer("attachments.create", plain("atc_2", "b.txt"))
    choose(
        page,
        file("a.log", ""),
        file("b.txt", "text/plain"),
        file("c.txt", "text/plain"),
        file("d.pdf", "application/pdf"),
        file("e.txt", "text/plain", b""),
        file("f.txt", "text/plain", b"x" * 101),
    )
    expect(page.get_by_role("alert").locator("p")).to_have_text(
        [
            "“d.pdf” is not a type of file that can be attached.",
            "“e.txt” is empty.",
            "“f.txt” is larger than 100 byte.",
            "Only 2 files can be attached to a message.",
        ]
    )
    files = page.get_by_role("list", name="Attached files").get_by_role("listitem")
    expect(files).to_have_text(["a.log", "b.txt"])
    expect(page.get_by_role("progressbar")).to_have_count(0)
    check_accessibility(page)
    server.answer("attachments.delete", {})
    button(page, "Remove “a.log”").press("Enter")
    expect(files).to_have_text(["b.txt"])
    expect(box(page)).to_be_focused()
    # Of two requests at once either may arrive first.
    removed, kept = ("atc_1", "atc_2")
    if server.sent("attachments.create")[0]["name"] == "b.txt":
        removed, kept = kept, removed
    assert server.sent("attachments.delete") == [{"attachment_id": removed}]
    script_turns(server, "Read")
    element.ask("Read")
    expect(page.get_by_text("Answer 0")).to_be_visible()
    assert server.sent("threads.create")[0]["input"]["attachments"] == [kept]
    expect(files).to_have_count(0)


def test_a_refused_upload_says_why_and_a_refused_message_keeps_its_files(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    element.mount(composer={"attachments": FILE_OPTIONS})
    server.refuse("attachments.create", 409, "Too many files wait to be sent.")
    choose(page, file("a.log", "text/plain"))
    expect(page.get_by_role("alert")).to_contain_text(
        "“a.log” could not be uploaded. Too many files wait to be sent."
    )
    expect(page.get_by_role("list", name="Attached files")).to_have_count(0)
    given = {"type": "file", "id": "atc_9", "name": "given.log", "mime_type": "text/plain"}
    element.call("setComposerValue", {"text": "Look", "attachments": [given]})
    server.refuse("threads.create", 400, "This file is gone.")
    box(page).press("Enter")
    expect(page.get_by_role("alert").filter(has_text="This file is gone.")).to_be_visible()
    expect(box(page)).to_have_value("Look")
    expect(page.get_by_role("list", name="Attached files")).to_have_text("given.log")


def test_a_blocked_microphone_is_said(element: ElementPage, page: Page) -> None:
    element.mount(composer={"dictation": {"enabled": True}})
    button(page, "Dictate").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The microphone is blocked.")


def test_a_chat_is_renamed_by_the_keyboard(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    server.answer("threads.list", page_of([thread("thr_1", "Neon"), thread("thr_2", "Qdrant")]))
    server.answer("threads.update", thread("thr_1", "Postgres"))
    element.mount()
    button(page, "Chat history").press("Enter")
    button(page, "Rename “Neon”").press("Enter")
    field = page.get_by_role("textbox", name="Name of the chat")
    expect(field).to_be_focused()
    check_accessibility(page)
    page.keyboard.press("Escape")
    expect(field).to_have_count(0)
    expect(page.get_by_role("heading", name="Your chats")).to_be_focused()
    button(page, "Rename “Neon”").press("Enter")
    # The old name is selected.
    page.keyboard.type("Postgres")
    page.keyboard.press("Enter")
    expect(button(page, "Rename “Postgres”")).to_be_visible()
    assert server.sent("threads.update") == [{"thread_id": "thr_1", "title": "Postgres"}]
    button(page, "Delete “Qdrant”").press("Enter")
    expect(button(page, "Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(button(page, "Delete “Qdrant”")).to_be_visible()
    assert server.sent("threads.delete", 0) == []


def test_a_name_that_could_not_be_stored_stays_in_its_field(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    server.answer("threads.list", page_of([thread("thr_1", "Neon")]))
    server.refuse("threads.update", 503, "Chats can't be changed right now.")
    server.answer("threads.update", thread("thr_1", "Postgres"))
    element.mount()
    button(page, "Chat history").press("Enter")
    button(page, "Rename “Neon”").press("Enter")
    field = page.get_by_role("textbox", name="Name of the chat")
    field.fill("Postgres")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Chats can't be changed right now.")
    expect(field).to_have_value("Postgres")
    expect(field).to_be_focused()
    page.keyboard.press("Enter")
    expect(button(page, "Rename “Postgres”")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_history_actions_can_be_left_out(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    server.answer("threads.list", page_of([thread("thr_1", "Neon")]))
    element.mount(history={"showRename": False, "showDelete": False})
    button(page, "Chat history").press("Enter")
    expect(page.get_by_role("list").get_by_role("button")).to_have_count(1)


def test_an_answer_is_given_again(element: ElementPage, server: ScriptedServer, page: Page) -> None:
    script_turns(server, "Hi")
    server.stream("threads.retry_after_item", done(answer("Better.", "a_9")))
    element.mount(threadItemActions={"retry": True})
    element.ask("Hi")
    button(page, "Answer again").press("Enter")
    expect(page.get_by_text("Better.")).to_be_visible()
    expect(page.get_by_text("Answer 0")).to_have_count(0)
    assert server.sent("threads.retry_after_item") == [{"thread_id": "thr_1", "item_id": "q_0"}]
