"""The widgets of a thread: what they show, what they send, how they change, what they refuse."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.element import ElementPage, Held, put_off, wait_until
from tests.browser.events import added, answer, created, done, item, thread
from tests.browser.gallery import PIXEL, WIDGETS, action, node
from tests.browser.protocol import Event, ScriptedServer
from tests.browser.test_element import check_accessibility

pytestmark = pytest.mark.browser


def widget_item(widget: Event, id_: str = "wid_1") -> Event:
    return item("widget", id_, widget=widget)


def updated(update: Event, id_: str = "wid_1") -> Event:
    return {"type": "thread.item.updated", "item_id": id_, "update": update}


def show(
    element: ElementPage,
    server: ScriptedServer,
    *widgets: Event,
    domains: list[str] | None = None,
    **options: Any,
) -> None:
    """Asks a question that is answered with widgets."""
    items = [widget_item(widget, f"wid_{i + 1}") for i, widget in enumerate(widgets)]
    begin = created(allowed_image_domains=domains) if domains else created()
    server.stream("threads.create", begin, *[done(item) for item in items])
    element.mount(**options)
    element.ask("Show me")
    expect(widgets_of(element.page)).to_have_count(len(widgets))
    expect(element.page.get_by_role("button", name="Send message")).to_be_visible()


def widgets_of(page: Page) -> Locator:
    return page.locator(".widget")


def test_every_component_is_shown(element: ElementPage, server: ScriptedServer, page: Page) -> None:
    show(element, server, *WIDGETS.values())

    texts = widgets_of(page).nth(0)
    expect(texts.get_by_text("In progress")).to_be_visible()
    expect(texts.get_by_text("Title 3xl")).to_have_css("font-size", "33.75px")
    expect(texts.locator("strong")).to_have_text("Bold")
    expect(texts.locator(".w-badge")).to_have_count(6)
    expect(texts.get_by_text("Old", exact=True)).to_have_css("font-style", "italic")
    truncated = texts.locator(".truncate").evaluate("p => p.scrollWidth > p.clientWidth")
    assert truncated
    clamped = texts.locator(".clamp").evaluate(
        "p => p.clientHeight / parseFloat(getComputedStyle(p).lineHeight)"
    )
    assert round(clamped) == 2

    buttons = widgets_of(page).nth(1)
    expect(buttons.get_by_role("button")).to_have_count(44)
    expect(buttons.get_by_role("button", name="Star")).to_be_visible()

    layout = widgets_of(page).nth(3)
    expect(layout.get_by_role("img", name="A picture")).to_have_js_property("complete", True)
    expect(layout.get_by_role("columnheader")).to_have_text(["Plan", "Price"])
    boxes = layout.locator(".w-row").nth(1).locator(".w-box")
    apart = boxes.evaluate_all("boxes => boxes[1].offsetLeft - boxes[0].offsetLeft")
    assert apart > 200

    form = widgets_of(page).nth(4)
    expect(form.get_by_label("Your name")).to_have_attribute("required", "")
    expect(form.get_by_label("Day")).to_have_value("2026-03-04")
    expect(form.get_by_label("Second")).to_be_checked()

    chart = widgets_of(page).nth(5)
    expect(chart.locator("rect")).to_have_count(8)
    rows = chart.get_by_role("table").first.get_by_role("row")
    expect(rows.nth(4)).to_have_text("Apr24013011​0".replace("\u200b", ""))

    dark, light = widgets_of(page).nth(6), widgets_of(page).nth(7)
    expect(dark.locator(".w-card")).to_have_css("background-color", "rgb(22, 24, 29)")
    expect(light.locator(".w-card")).to_have_css("background-color", "rgb(255, 255, 255)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_widgets_are_accessible(
    element: ElementPage, server: ScriptedServer, page: Page, scheme: str
) -> None:
    show(element, server, *WIDGETS.values(), theme=scheme)
    check_accessibility(page)


def test_an_unknown_component_shows_what_is_in_it_and_nonsense_breaks_nothing(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    odd = node("Card", node("Carousel", node("Text", value="Inside")), children=None)
    odd["children"] = [
        node("Carousel", node("Text", value="Inside")),
        node("constructor", node("Text", value="A method's name")),
        "text",
        None,
        7,
        {"type": "Text"},
        {"type": "Select", "name": {}, "options": "none"},
        {"type": "Chart", "data": 5, "series": [1], "xAxis": []},
        {"type": "Button", "label": ["x"], "onClickAction": "go"},
        {"type": "Row", "children": {"type": "Text", "value": "Alone"}, "gap": {}, "padding": []},
        {"type": "Text", "value": "One", "key": "same"},
        {"type": "Text", "value": "Two", "key": "same"},
    ]
    deep: Event = {"type": "Text", "value": "Too deep"}
    for _ in range(300):
        deep = {"type": "Box", "children": [deep]}
    show(element, server, odd, {"type": "Basic", "children": [deep]})

    for text in ("Inside", "A method's name", "Alone", "One", "Two"):
        expect(widgets_of(page).first.get_by_text(text, exact=True)).to_be_visible()
    expect(page.get_by_text("Too deep")).to_have_count(0)


def test_a_button_sends_its_action_and_the_widget_changes(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    like = action("like", payload={"n": 1})
    button = node("Button", id="like", label="Like", onClickAction=like)
    show(element, server, node("Card", node("Text", value="Post", id="text"), button))
    gate = server.gate()
    server.stream(
        "threads.custom_action",
        gate,
        updated(
            {
                "type": "widget.component.updated",
                "component_id": "like",
                "component": node("Button", id="like", label="Liked", onClickAction=like),
            }
        ),
        updated(
            {
                "type": "widget.streaming_text.value_delta",
                "component_id": "text",
                "delta": ", liked",
                "done": True,
            }
        ),
    )
    press = widgets_of(page).get_by_role("button")
    press.focus()
    page.keyboard.press("Enter")
    expect(press).to_have_attribute("aria-busy", "true")
    # A second press while the first is under way does nothing.
    page.keyboard.press("Enter")
    gate.open()
    expect(press).to_have_text("Liked")
    expect(widgets_of(page)).to_contain_text("Post, liked")
    expect(press).to_be_focused()
    expect(press).to_have_attribute("aria-busy", "false")

    sent = server.sent("threads.custom_action")
    assert sent == [{"thread_id": "thr_1", "item_id": "wid_1", "action": like}]


def test_a_whole_widget_is_replaced(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    first = node("Card", node("Text", value="Before"))
    second = node("ListView", node("ListViewItem", node("Text", value="After")))
    gate = server.gate()
    server.stream(
        "threads.create",
        created(),
        added(widget_item(first)),
        gate,
        updated({"type": "widget.root.updated", "widget": second}),
        done(widget_item(second)),
    )
    element.mount()
    element.ask("Show me")
    expect(widgets_of(page)).to_have_text("Before")
    gate.open()
    expect(widgets_of(page).get_by_role("listitem")).to_have_text("After")


def test_a_row_of_a_list_is_one_button_and_the_rest_comes_on_request(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    show(element, server, WIDGETS["list"])
    server.stream("threads.custom_action")
    rows = widgets_of(page).get_by_role("listitem")
    expect(rows).to_have_count(3)
    page.get_by_role("button", name="Load more").press("Enter")
    expect(rows).to_have_count(5)
    expect(rows.nth(3)).to_be_focused()

    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Row 4, The icon map-pin, New")).to_be_focused()
    page.keyboard.press("Enter")
    expect(rows.nth(3)).to_have_attribute("aria-busy", "false")
    assert server.sent("threads.custom_action")[0]["action"] == {
        "type": "open",
        "payload": {"row": 4},
    }


def test_a_form_is_checked_and_its_fields_go_with_the_action(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    show(element, server, WIDGETS["form"])
    form = widgets_of(page)
    save = form.get_by_role("button", name="Save")
    save.click()
    form.get_by_label("Change me").or_(form.get_by_label("Title")).fill("New title")
    save.click()
    assert form.get_by_label("Your name").evaluate("field => field.validity.valueMissing")
    assert server.sent("threads.custom_action", 0) == []

    form.get_by_label("Your name").fill("Grace")
    form.get_by_label("Choose one").select_option("Second")
    form.get_by_label("I agree").uncheck()
    gate = server.gate()
    collapsed = {**WIDGETS["form"], "collapsed": True, "status": {"text": "Saved"}}
    server.stream(
        "threads.custom_action",
        gate,
        {"type": "thread.item.replaced", "item": widget_item(collapsed)},
    )
    save.click()
    # All of it waits, and takes no other press.
    expect(form).to_have_attribute("inert", "")
    gate.open()
    expect(form.get_by_text("Saved")).to_be_visible()
    expect(form.get_by_label("Your name")).to_have_count(0)
    form.get_by_role("button", name="Show details").click()
    expect(form.get_by_label("Your name")).to_be_visible()

    assert server.sent("threads.custom_action")[0]["action"] == {
        "type": "save",
        "payload": {
            "id": 7,
            "person": {"name": "Grace", "mail": "ada@example.org"},
            "notes": "",
            "choice": "b",
            "day": "2026-03-04",
            "size": "b",
            "agree": False,
            "title": "New title",
        },
    }


def test_a_field_that_a_form_may_not_overwrite_is_reported(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    form = node(
        "Form",
        node("Input", name="id", defaultValue="8"),
        node("Input", name="code", pattern="[a-z]{3}", defaultValue="ab1"),
        node("Button", label="Go", submit=True),
        onSubmitAction=action("go", payload={"id": 7}),
    )
    show(element, server, node("Card", form))
    server.stream("threads.custom_action")
    page.get_by_role("button", name="Go").click()
    assert server.sent("threads.custom_action", 0) == []
    page.get_by_label("Code").fill("abc")
    page.get_by_label("Code").press("Enter")
    expect(widgets_of(page)).to_have_attribute("aria-busy", "false")
    element.wait_for("error")
    assert element.events("error") == [["error", "The action go has values of its own for id."]]
    sent = server.sent("threads.custom_action")[0]["action"]
    assert sent == {"type": "go", "payload": {"id": 7, "code": "abc"}}


def test_a_choice_tells_the_server_at_once(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    options = [{"value": "a", "label": "First"}, {"value": "b", "label": "Second"}]
    change = action("changed", streaming=False)
    show(
        element,
        server,
        node(
            "Card",
            node("Select", name="s", options=options, onChangeAction=change),
            node("Checkbox", name="c", label="Check", onChangeAction=change),
            node("RadioGroup", name="r", options=options, onChangeAction=change),
            node("DatePicker", name="d", onChangeAction=change),
        ),
    )
    changed = widget_item(node("Card", node("Text", value="Chosen")))
    for body in ({}, {"updated_item": None}, {}, {"updated_item": changed}):
        server.answer("threads.sync_custom_action", body)
    sync = "threads.sync_custom_action"
    page.get_by_label("S", exact=True).select_option("b")
    server.sent(sync, 1)
    page.get_by_role("checkbox", name="Check").check()
    server.sent(sync, 2)
    page.get_by_label("First").check()
    server.sent(sync, 3)
    page.get_by_label("D", exact=True).fill("2026-02-03")
    expect(widgets_of(page)).to_have_text("Chosen")
    payloads = [sent["action"]["payload"] for sent in server.sent(sync)]
    assert payloads == [{"s": "b"}, {"c": True}, {"r": "a"}, {"d": "2026-02-03"}]


def test_an_action_of_the_page_is_handled_by_the_page(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    go = action("go", payload={"to": "/docs"}, handler="client")
    card = node("Card", node("Button", label="Go", onClickAction=go))
    server.stream("threads.create", created(), done(widget_item(card)))
    server.stream("threads.custom_action")
    page.goto("/")
    page.evaluate(
        """() => {
          const chat = document.createElement('docs-chatkit');
          chat.setOptions({
            api: { url: '/chatkit', domainKey: 'local' },
            widgets: {
              onAction: async (action, item) => {
                window.handled = [action, item.id, item.widget.type];
                await chat.sendCustomAction({ type: 'gone' }, item.id);
              },
            },
          });
          document.body.append(chat);
        }"""
    )
    ElementPage(page).ask("Show me")
    # The page's own action may come at any time; the one that it sends, once the answer has ended.
    expect(page.get_by_role("button", name="Send message")).to_be_visible()
    page.get_by_role("button", name="Go", exact=True).click()
    wait_until(page, "() => window.handled")
    handled = page.evaluate("window.handled")
    assert handled == [{"type": "go", "payload": {"to": "/docs"}}, "wid_1", "Card"]
    expect(page.get_by_role("button", name="Go", exact=True)).to_have_attribute(
        "aria-busy", "false"
    )
    assert server.sent("threads.custom_action") == [
        {"thread_id": "thr_1", "item_id": "wid_1", "action": {"type": "gone"}}
    ]


def test_an_action_that_fails_says_so_and_can_be_pressed_again(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    press = action("press", loadingBehavior="container")
    show(element, server, node("Card", node("Button", label="Press", onClickAction=press)))
    server.refuse("threads.custom_action", 409, "Somebody else was quicker.")
    server.stream("threads.custom_action", done(answer("Pressed.")))
    button = widgets_of(page).get_by_role("button")
    button.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Somebody else was quicker.")
    expect(button).to_be_focused()
    button.press("Enter")
    expect(page.get_by_text("Pressed.")).to_be_visible()


def test_a_widget_that_is_drawn_while_the_first_one_loads_is_shown(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    first, second = (
        done(widget_item(node("Card", node("Text", value=text)), text)) for text in ("One", "Two")
    )
    gate = server.gate()
    server.stream("threads.create", created(), first, gate, second)
    held = Held(page, "**/widget-*.js")
    element.mount()
    with page.expect_request("**/widget-*.js"):
        element.ask("Show me")
    # What is drawn goes on to its effects only after this.
    with put_off(page, "setTimeout"):
        gate.open()
        expect(page.locator(".skeleton")).to_have_count(2)
        held.release()
        expect(page.get_by_text("One")).to_be_visible()

    expect(page.get_by_text("Two")).to_be_visible()


PAYLOADS = (
    "<img src=x onerror='window.hacked = 1'>",
    "javascript:window.hacked=1//",
    "https://evil.example/{}",
    "url(https://evil.example/{})",
    "red;background:url(https://evil.example/{})",
    "data:text/html,<script>top.hacked=1</script>",
    "'\"><script>window.hacked = 1</script>",
)


def infect(value: Any, payload: str) -> Any:
    """The widget with the payload in place of every text but the types and names of fields."""
    if isinstance(value, dict):
        return {
            key: child if key in ("type", "theme") else infect(child, payload)
            for key, child in value.items()
        }
    if isinstance(value, list):
        return [infect(child, payload) for child in value]
    return payload if isinstance(value, str) else value


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_nothing_that_a_widget_says_runs_or_loads_anything(
    element: ElementPage, server: ScriptedServer, page: Page, payload: str
) -> None:
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    show(element, server, *[infect(widget, payload) for widget in WIDGETS.values()])
    # Every picture and colour has been applied once the page was painted.
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")

    assert page.evaluate("window.hacked") is None
    outside = [url for url in requested if not url.startswith((server.url, "data:image/"))]
    assert outside == []
    addresses = page.evaluate(
        """() => [...document.getElementById('chat').shadowRoot.querySelectorAll('.widget *')]
          .flatMap((node) => [...node.attributes])
          .filter(({ name }) => ['href', 'src', 'action', 'formaction', 'srcdoc'].includes(name))
          .map(({ value }) => value)"""
    )
    assert [a for a in addresses if re.match(r"\s*(javascript|data:text)", a, re.IGNORECASE)] == []
    handlers = page.evaluate(
        """() => [...document.getElementById('chat').shadowRoot.querySelectorAll('.widget *')]
          .filter((node) => [...node.attributes].some(({ name }) => name.startsWith('on')))
          .length"""
    )
    assert handlers == 0


def test_images_come_only_from_where_the_thread_allows(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    requested: list[str] = []

    def picture(route: Route) -> None:
        requested.append(route.request.url)
        route.fulfill(status=200, content_type="image/svg+xml", body="<svg/>")

    page.route(re.compile(r"https://"), picture)
    images = [
        node("Image", src=src, alt=alt)
        for src, alt in (
            ("https://cdn.example.org/a.png", "Allowed"),
            ("https://evil.example/b.png", "Elsewhere"),
            (PIXEL, "Inline"),
        )
    ]
    favicon = {"text": "Status", "favicon": "https://evil.example/icon.png"}
    show(element, server, node("Card", *images, status=favicon), domains=["example.org"])
    expect(page.get_by_role("img", name="Allowed")).to_have_js_property("complete", True)
    expect(page.get_by_role("img", name="Allowed")).to_be_visible()
    expect(page.get_by_role("img", name="Inline")).to_be_visible()
    link = page.get_by_role("link", name="Elsewhere")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    assert requested == ["https://cdn.example.org/a.png"]


def test_a_widget_stays_within_its_place(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    cover = node(
        "Box",
        node("Text", value="Your session is over"),
        margin={"top": -400, "left": -400},
        width=4000,
        height=4000,
        background="white",
    )
    show(element, server, node("Basic", cover))
    header = page.get_by_role("button", name="Chat history")
    header.click()
    expect(page.get_by_role("heading", name="Your chats")).to_be_visible()


def test_a_part_that_cannot_be_loaded_says_so_and_is_loaded_on_request(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    server.stream(
        "threads.create",
        created(),
        done(widget_item(node("Card", node("Text", value="There")))),
        done(answer("An answer.")),
    )
    page.route(re.compile(r"/assets/widget-"), lambda route: route.abort())
    element.mount()
    element.ask("Show me")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("could not be loaded")
    expect(page.get_by_text("An answer.")).to_be_visible()
    page.unroute(re.compile(r"/assets/widget-"))
    alert.get_by_role("button", name="Try again").click()
    expect(widgets_of(page)).to_have_text("There")


def test_widgets_of_an_earlier_chat_are_there_again(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    card = widget_item(node("Card", node("Title", value="Kept")))
    server.answer("threads.get_by_id", {**thread(), "items": {"data": [card]}})
    element.mount(initialThread="thr_1")
    expect(page.get_by_role("article", name="Kept")).to_be_visible()
