"""The forms of a thread, against a real server and its checks, and the images that it makes."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.element import ElementPage
from tests.browser.events import added, answer, created, done, item, thread
from tests.browser.gallery import PIXEL
from tests.browser.protocol import Event, ScriptedServer
from tests.browser.test_element import check_accessibility
from tests.fixtures.app import Client
from tests.fixtures.own_server import StartOwn

pytestmark = pytest.mark.browser


def connect(page: Page, url: str) -> Client:
    """Lets a real server answer the page's requests; a client that sees the same threads."""
    client = Client(url)

    def send(route: Route) -> None:
        headers = {**route.request.headers, "x-session-id": client.secret}
        route.continue_(url=f"{url}/chatkit", headers=headers)

    page.route("**/chatkit", send)
    return client


@pytest.fixture
def client(page: Page, own_url: str) -> Iterator[Client]:
    yield connect(page, own_url)
    page.unroute_all(behavior="wait")


def stored(client: Client) -> Event:
    """The form of the visitor's only thread, as the server has it."""
    threads = client.post("threads.list", order="desc").json()["data"]
    forms = [item for item in client.items(threads[0]["id"]) if item["type"] == "structured_input"]
    found: Event = forms[0]
    return found


def test_a_form_is_answered(element: ElementPage, client: Client, page: Page) -> None:
    element.mount()
    element.ask("form")
    form = page.get_by_role("region", name="Questions for you")
    send = form.get_by_role("button", name="Send answers")
    # Without any answer there is nothing to send.
    expect(send).to_have_attribute("aria-disabled", "true")
    send.click(force=True)
    check_accessibility(page)

    form.get_by_role("group", name="Which version?").get_by_label("2").check()
    form.get_by_label("Linux").check()
    form.get_by_label("Windows").check()
    form.get_by_label("Linux").uncheck()
    form.get_by_label("macOS").check()
    form.get_by_label("Anything else?").fill("  Behind a proxy.  ")
    # The server offers no answers but these.
    expect(form.get_by_label("Another answer")).to_have_count(0)
    send.click()

    expect(form.get_by_role("definition")).to_have_text(["2", "Windows, macOS", "Behind a proxy."])
    expect(form).to_be_focused()
    answers = {
        question["id"]: question["answer"]["values"] for question in stored(client)["inputs"]
    }
    assert answers == {
        "version": ["2"],
        "systems": ["Windows", "macOS"],
        "notes": ["Behind a proxy."],
    }
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_question_and_a_form_may_be_skipped(
    element: ElementPage, client: Client, page: Page
) -> None:
    element.mount()
    element.ask("form")
    form = page.get_by_role("region", name="Questions for you")
    form.get_by_label("Anything else?").fill("Only this.")
    # Not before the answer that has the form in it has come to its end.
    expect(form.get_by_role("button", name="Send answers")).to_be_enabled()
    form.get_by_role("button", name="Send answers").press("Enter")
    expect(form.get_by_role("definition")).to_have_text(["Skipped", "Skipped", "Only this."])
    expect(page.get_by_role("button", name="Send message")).to_be_visible()
    assert stored(client)["status"] == "answered"

    element.call("setThreadId", None)
    element.ask("form")
    form.get_by_role("button", name="Skip").click()
    expect(form.get_by_role("definition")).to_have_text(["Skipped"] * 3)
    assert stored(client)["status"] == "skipped"


def test_a_form_that_is_refused_keeps_its_answers(
    element: ElementPage, client: Client, page: Page
) -> None:
    element.mount(ownAnswers=True)
    element.ask("form")
    form = page.get_by_role("region", name="Questions for you")
    form.get_by_label("Anything else?").fill("A note")
    own = form.get_by_label("Another answer")
    own.first.fill("Three point one")
    form.get_by_role("button", name="Send answers").click()
    expect(page.get_by_role("alert")).to_contain_text("one of these: 1; 2")
    expect(own.first).to_have_value("Three point one")
    # Of one answer only: what was chosen takes the place of what was written.
    form.get_by_role("group", name="Which version?").get_by_label("1").check()
    expect(own.first).to_have_value("")
    form.get_by_role("button", name="Send answers").click()
    expect(form.get_by_role("definition")).to_have_text(["1", "Skipped", "A note"])


def test_a_text_of_ones_own_is_offered_where_the_page_says_so(
    element: ElementPage, start_own: StartOwn, page: Page
) -> None:
    with start_own(own_answers=True) as url:
        client = connect(page, url)
        element.mount(ownAnswers=True)
        element.ask("form")
        form = page.get_by_role("region", name="Questions for you")
        form.get_by_label("macOS").check()
        form.get_by_label("Another answer").nth(1).fill("BeOS")
        form.get_by_role("button", name="Send answers").click()
        expect(form.get_by_role("definition").nth(1)).to_have_text("macOS, BeOS")
        assert stored(client)["inputs"][1]["answer"]["values"] == ["macOS", "BeOS"]
        page.unroute_all(behavior="wait")


def test_nothing_in_a_form_is_markup(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    bad = "<img src=x onerror='window.hacked=1'>"
    question = {"id": bad, "question": bad, "description": bad, "type": "freeform"}
    choice = {"id": "b", "question": bad, "type": "multiple_choice", "options": [{"value": bad}]}
    form = item("structured_input", "form", status="pending", inputs=[question, choice])
    server.answer("threads.get_by_id", {**thread(), "items": {"data": [form]}})
    element.mount(initialThread="thr_1")
    expect(page.get_by_role("radio", name=bad)).to_be_visible()
    assert page.locator(".questions img").count() == 0
    assert page.evaluate("window.hacked") is None


def image(url: str | None = None, **fields: object) -> Event:
    made = {"image": {"id": "img_1", "url": url}} if url else {}
    return item("generated_image", "gen_1", **made, **fields)


def partial(progress: float) -> Event:
    update = {
        "type": "generated_image.updated",
        "image": {"id": "img_1", "url": PIXEL},
        "progress": progress,
    }
    return {"type": "thread.item.updated", "item_id": "gen_1", "update": update}


def test_an_image_is_shown_while_it_is_made(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    begun, half, whole = (server.gate() for _ in range(3))
    server.stream(
        "threads.create",
        created(),
        added(image()),
        begun,
        partial(0.5),
        half,
        done(image(PIXEL)),
        whole,
        done(answer("There it is.")),
    )
    element.mount()
    element.ask("Draw")
    bar = page.get_by_role("progressbar", name="Making the image")
    expect(bar).to_be_visible()
    begun.open()
    expect(bar).to_have_attribute("value", "0.5")
    expect(page.locator(".picture img")).to_have_css("filter", "blur(6px)")
    half.open()
    expect(bar).to_have_count(0)
    expect(page.get_by_role("img", name="Image")).to_have_css("filter", "none")
    whole.open()
    expect(page.get_by_text("There it is.")).to_be_visible()


def test_a_generated_image_from_elsewhere_stays_a_link(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    server.stream("threads.create", created(), done(image("https://evil.example/a.png")))
    element.mount()
    element.ask("Draw")
    link = page.get_by_role("link", name="Image")
    expect(link).to_have_attribute("href", "https://evil.example/a.png")
    assert [url for url in requested if "evil" in url] == []
