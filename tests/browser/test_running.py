"""Answers that go on while their reader is away: reload, tabs, Stop, lost connections.

The real server with a scripted model, Chromium, and a link between them that can be cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from chatkit_server.testing import Answer, Say, ScriptedModel
from tests.browser.link import Link
from tests.browser.protocol import require_build
from tests.fixtures.app import Client, StartServer

pytestmark = pytest.mark.browser

TEXT = "One two three four"
HALF = "One two thre"
HELD = Say(TEXT, hold_after=3)
RECONNECTING = "The connection was lost. Reconnecting…"
OFFLINE = "You are offline. The chat goes on when the connection is back."


@dataclass
class Visit:
    """A visitor's browser, and the server behind its link."""

    context: BrowserContext
    link: Link
    model: ScriptedModel
    server: str
    """Its address past the link."""

    def tab(self) -> Page:
        page = self.context.new_page()
        page.goto(f"{self.link.url}/chat")
        expect(page.get_by_role("textbox")).to_be_visible()
        return page

    def client(self) -> Client:
        """The same visitor, past the link."""
        state = self.context.storage_state()
        (origin,) = state["origins"]
        stored = {entry["name"]: entry["value"] for entry in origin["localStorage"]}
        return Client(self.server, stored["docs-chatkit:visitor"])

    def stored(self) -> list[str]:
        """The texts of the visitor's only thread."""
        client = self.client()
        (thread,) = client.threads()
        return [
            "".join(part["text"] for part in item["content"])
            for item in client.items(thread["id"])
            if item["type"] in {"user_message", "assistant_message"}
        ]


Begin = Callable[..., AbstractContextManager[Visit]]


@pytest.fixture
def begin(browser: Browser, start_server: StartServer) -> Begin:
    """Begins the visit of somebody whose server has a model that answers from a script."""
    require_build()

    @contextmanager
    def begin(*script: Answer) -> Iterator[Visit]:
        with (
            ScriptedModel(*script) as model,
            start_server(openai_base_url=model.base_url, model="m") as url,
        ):
            link = Link(url)
            context = browser.new_context(viewport={"width": 600, "height": 700})
            context.set_default_timeout(30_000)
            errors: list[str] = []
            context.on("weberror", lambda error: errors.append(str(error.error)))
            with link.serve():
                yield Visit(context, link, model, url)
                context.close()
            assert errors == []

    return begin


def ask(page: Page, text: str) -> None:
    box = page.get_by_role("textbox")
    box.fill(text)
    expect(page.get_by_role("button", name="Send message")).to_be_enabled()
    box.press("Enter")


def answers(page: Page) -> Locator:
    return page.locator("article.answer p")


def questions(page: Page) -> Locator:
    return page.locator("article.question p")


def stop_button(page: Page) -> Locator:
    return page.get_by_role("button", name="Stop answering")


def test_an_answer_goes_on_over_a_reload_and_another_page(begin: Begin) -> None:
    with begin(HELD) as visit:
        page = visit.tab()
        ask(page, "How?")
        expect(answers(page)).to_have_text(HALF)
        page.reload()
        expect(answers(page)).to_have_text(HALF)
        expect(questions(page)).to_have_text("How?")
        expect(stop_button(page)).to_be_visible()
        page.goto(f"{visit.link.url}/healthz")
        page.go_back()
        expect(stop_button(page)).to_be_visible()
        visit.model.release()
        expect(answers(page)).to_have_text(TEXT)
        expect(stop_button(page)).to_have_count(0)
        expect(page.get_by_role("alert")).to_have_count(0)
        assert visit.stored() == ["How?", TEXT]
        assert len(visit.model.requests) == 1


def test_a_second_tab_shows_what_the_first_one_asks(begin: Begin) -> None:
    with begin(Say("First."), HELD) as visit:
        first = visit.tab()
        ask(first, "One?")
        expect(answers(first)).to_have_text("First.")
        second = visit.tab()
        expect(answers(second)).to_have_text("First.")
        ask(first, "Two?")
        expect(questions(second)).to_have_text(["One?", "Two?"])
        expect(answers(second)).to_have_text(["First.", HALF])
        expect(stop_button(second)).to_be_visible()
        visit.model.release()
        for page in (first, second):
            expect(answers(page)).to_have_text(["First.", TEXT])
            expect(questions(page)).to_have_text(["One?", "Two?"])
            expect(stop_button(page)).to_have_count(0)


def test_a_chat_chosen_from_the_history_goes_on(begin: Begin) -> None:
    with begin(HELD, Say("Aside.")) as visit:
        page = visit.tab()
        ask(page, "How?")
        expect(answers(page)).to_have_text(HALF)
        page.get_by_role("button", name="New chat").click()
        ask(page, "Another?")
        expect(answers(page)).to_have_text("Aside.")
        # A chat has its title once its first answer has come to its end.
        expect(stop_button(page)).to_have_count(0)
        page.get_by_role("button", name="Chat history").click()
        page.get_by_role("button", name=re.compile("^Untitled")).click()
        expect(answers(page)).to_have_text(HALF)
        visit.model.release()
        expect(answers(page)).to_have_text(TEXT)


def test_a_stopped_answer_stays_as_it_was(begin: Begin) -> None:
    with begin(HELD, Say("Next.")) as visit:
        first = visit.tab()
        ask(first, "How?")
        expect(answers(first)).to_have_text(HALF)
        second = visit.tab()
        expect(answers(second)).to_have_text(HALF)
        stop_button(second).click()
        for page in (first, second):
            expect(page.locator("p.stopped")).to_be_visible()
            expect(stop_button(page)).to_have_count(0)
            expect(answers(page)).to_have_text(HALF)
        visit.model.wait_for(lambda model: model.requests[0].hung_up_at is not None)
        visit.model.release()
        first.reload()
        expect(first.locator("p.stopped")).to_be_visible()
        expect(answers(first)).to_have_text(HALF)
        assert visit.stored() == ["How?", HALF]
        ask(first, "And then?")
        expect(answers(first)).to_have_text([HALF, "Next."])
        expect(first.locator("p.stopped")).to_have_count(0)


def test_stop_before_the_first_word(begin: Begin) -> None:
    with begin(Say(TEXT, hold_after=0), Say("Next.")) as visit:
        page = visit.tab()
        ask(page, "How?")
        visit.model.wait_for(lambda model: len(model.requests) == 1)
        stop_button(page).click()
        expect(page.locator("p.stopped")).to_be_visible()
        expect(stop_button(page)).to_have_count(0)
        visit.model.wait_for(lambda model: model.requests[0].hung_up_at is not None)
        ask(page, "And then?")
        expect(answers(page)).to_have_text("Next.")
        expect(questions(page)).to_have_text(["How?", "And then?"])


def test_an_answer_goes_on_after_the_connection_was_cut(begin: Begin) -> None:
    with begin(HELD) as visit:
        page = visit.tab()
        ask(page, "How?")
        expect(answers(page)).to_have_text(HALF)
        visit.link.cut()
        expect(page.get_by_text(RECONNECTING).first).to_be_visible()
        expect(answers(page)).to_have_text(HALF)
        visit.model.release()
        visit.link.mend()
        expect(answers(page)).to_have_text(TEXT)
        expect(stop_button(page)).to_have_count(0)
        expect(page.get_by_role("alert")).to_have_count(0)
        assert visit.stored() == ["How?", TEXT]


def test_an_answer_goes_on_after_its_connection_died_unnoticed(begin: Begin) -> None:
    with begin(HELD) as visit:
        visit.context.clock.install()
        page = visit.tab()
        ask(page, "How?")
        expect(answers(page)).to_have_text(HALF)
        visit.link.hush()
        visit.model.release()
        # Longer than the server's silence ever lasts.
        page.clock.fast_forward(46_000)
        expect(answers(page)).to_have_text(TEXT)
        expect(stop_button(page)).to_have_count(0)
        expect(page.get_by_role("alert")).to_have_count(0)


def test_an_answer_goes_on_after_the_network_was_away(begin: Begin) -> None:
    with begin(HELD) as visit:
        page = visit.tab()
        ask(page, "How?")
        expect(answers(page)).to_have_text(HALF)
        visit.context.set_offline(True)
        # The browser tells of it, but lets open connections be.
        visit.link.cut()
        expect(page.get_by_text(OFFLINE).first).to_be_visible()
        visit.model.release()
        visit.link.mend()
        visit.context.set_offline(False)
        expect(answers(page)).to_have_text(TEXT)
        expect(page.get_by_text(OFFLINE)).to_have_count(0)


@pytest.mark.parametrize("before", [[], ["First?"]], ids=["new chat", "old chat"])
def test_a_question_asked_without_network_is_sent_once(begin: Begin, before: list[str]) -> None:
    with begin(Say("So.")) as visit:
        page = visit.tab()
        for question in before:
            ask(page, question)
            expect(answers(page)).to_have_count(1)
        visit.context.set_offline(True)
        ask(page, "How?")
        expect(page.get_by_text(OFFLINE).first).to_be_visible()
        visit.context.set_offline(False)
        expect(answers(page)).to_have_text(["So."] * (len(before) + 1))
        expect(questions(page)).to_have_text([*before, "How?"])
        assert visit.stored().count("How?") == 1


def test_a_question_waits_for_the_answer_that_another_tab_has_asked_for(begin: Begin) -> None:
    with begin(Say("First."), HELD, Say("Third.")) as visit:
        first = visit.tab()
        ask(first, "One?")
        expect(answers(first)).to_have_text("First.")
        expect(stop_button(first)).to_have_count(0)
        second = visit.tab()
        expect(answers(second)).to_have_text("First.")
        # It hears of the question within milliseconds; as if it had not, it is refused the look.
        second.route("**/chatkit/turns/*", lambda route: route.fulfill(status=429))
        second.route("**/chatkit", lambda route: route.fulfill(status=429))
        with second.expect_response("**/chatkit"):
            ask(first, "Two?")
        expect(answers(first)).to_have_text(["First.", HALF])
        second.unroute("**/chatkit/turns/*")
        second.unroute("**/chatkit")
        expect(questions(second)).to_have_text(["One?"])
        with second.expect_response(lambda response: response.status == 409):
            ask(second, "Three?")
        visit.model.release()
        for page in (first, second):
            expect(answers(page)).to_have_text(["First.", TEXT, "Third."])
            expect(questions(page)).to_have_text(["One?", "Two?", "Three?"])


@pytest.mark.parametrize("before", [[], ["How?"]], ids=["new chat", "old chat"])
def test_a_question_whose_response_was_lost_is_not_sent_again(
    begin: Begin, before: list[str]
) -> None:
    with begin(*[Say("So.") for _ in before], HELD) as visit:
        page = visit.tab()
        for question in before:
            ask(page, question)
            expect(answers(page)).to_have_count(1)
        # The same words as before: only ids tell the two questions apart.
        kind = "threads.add_user_message" if before else "threads.create"
        visit.link.lose_response_to(f'"{kind}"')
        ask(page, "How?")
        visit.link.wait_until_lost()
        expect(answers(page)).to_have_text([*(["So."] * len(before)), HALF])
        visit.model.release()
        expect(answers(page).last).to_have_text(TEXT)
        expect(questions(page)).to_have_text([*before, "How?"])
        expect(stop_button(page)).to_have_count(0)
        assert visit.stored() == ([*before, "So."] if before else []) + ["How?", TEXT]
        assert len(visit.model.requests) == len(before) + 1


def test_an_answer_of_another_replica_is_followed(begin: Begin, start_server: StartServer) -> None:
    with begin(HELD) as visit:
        page = visit.tab()
        ask(page, "How?")
        expect(answers(page)).to_have_text(HALF)
        with start_server(openai_base_url=visit.model.base_url, model="m") as replica:
            visit.link.to(replica)
            visit.link.cut()
            visit.link.mend()
            expect(page.get_by_text(RECONNECTING)).to_have_count(0)
            expect(answers(page)).to_have_text(HALF)
            visit.model.release()
            expect(answers(page)).to_have_text(TEXT)
            expect(stop_button(page)).to_have_count(0)
            assert visit.stored() == ["How?", TEXT]


def test_an_answer_that_a_restart_cut_off_says_so_and_can_be_had_again(
    begin: Begin, start_server: StartServer
) -> None:
    with (
        ScriptedModel(HELD, Say("Whole.")) as model,
        begin(Say("Unused.")) as visit,
        start_server(openai_base_url=model.base_url, model="m") as after,
    ):
        with start_server(openai_base_url=model.base_url, model="m", drain=0.0) as first:
            visit.link.to(first)
            page = visit.tab()
            ask(page, "How?")
            expect(answers(page)).to_have_text(HALF)
            visit.link.cut()
        visit.link.to(after)
        visit.link.mend()
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("The answer could not be finished.")
        expect(answers(page)).to_have_text(HALF)
        page.reload()
        expect(alert).to_contain_text("The answer could not be finished.")
        alert.get_by_role("button", name="Try again").click()
        expect(answers(page)).to_have_text("Whole.")
        expect(alert).to_have_count(0)
        expect(stop_button(page)).to_have_count(0)
        assert visit.stored() == ["How?", "Whole."]


def test_an_answer_that_is_given_anew_is_alone_after_a_reload(begin: Begin) -> None:
    with begin(Say("Old."), HELD) as visit:
        page = visit.tab()
        ask(page, "How?")
        expect(answers(page)).to_have_text("Old.")
        expect(stop_button(page)).to_have_count(0)
        (thread,) = visit.client().threads()
        (first, _) = visit.client().items(thread["id"])
        page.evaluate(
            """([thread_id, item_id, secret]) => {
              const params = { thread_id, item_id };
              fetch('/chatkit', {
                method: 'POST',
                headers: {
                  'Content-Type': 'application/json',
                  'X-Session-Id': secret,
                  'X-Chatkit-Resume': '1',
                },
                body: JSON.stringify({ type: 'threads.retry_after_item', params }),
              });
            }""",
            [thread["id"], first["id"], visit.client().secret],
        )
        visit.model.wait_for(lambda model: len(model.requests) == 2)
        page.reload()
        expect(answers(page)).to_have_text([HALF])
        expect(questions(page)).to_have_text("How?")
        visit.model.release()
        expect(answers(page)).to_have_text([TEXT])
        expect(stop_button(page)).to_have_count(0)
        assert visit.stored() == ["How?", TEXT]


def test_the_network_comes_back_to_a_chat_that_could_not_be_loaded(begin: Begin) -> None:
    with begin(Say("So.")) as visit:
        page = visit.tab()
        ask(page, "How?")
        expect(answers(page)).to_have_text("So.")
        page.route("**/chatkit", lambda route: route.abort("internetdisconnected"))
        page.reload()
        # The page was loaded anew, and has not heard of the server yet.
        expect(page.get_by_role("alert")).to_contain_text("Check your network and try again.")
        page.unroute("**/chatkit")
        visit.context.set_offline(True)
        visit.context.set_offline(False)
        expect(answers(page)).to_have_text("So.")
        expect(page.get_by_role("alert")).to_have_count(0)
