"""The languages of the element's own words."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.element import ElementPage
from tests.browser.events import answer, created, done, question, thread
from tests.browser.protocol import ScriptedServer

pytestmark = pytest.mark.browser

SEND = {
    "en-GB": "Send message",
    "de-AT": "Nachricht senden",
    "fr": "Envoyer le message",
    "es-419": "Enviar mensaje",
    "pt-BR": "Enviar mensagem",
    "ja-JP": "メッセージを送信",
    "zh-CN": "发送消息",
    "zh-TW": "傳送訊息",
    "it": "Send message",
}


@pytest.mark.parametrize("locale", SEND)
def test_the_option_chooses_the_language(element: ElementPage, page: Page, locale: str) -> None:
    element.mount(locale=locale)
    expect(page.get_by_role("button", name=SEND[locale], exact=True)).to_be_visible()


def test_the_page_chooses_where_the_option_does_not(element: ElementPage, page: Page) -> None:
    page.goto("/")
    page.evaluate("document.documentElement.lang = 'fr-CA'")
    page.evaluate(
        """() => {
          const chat = document.createElement('docs-chatkit');
          chat.setOptions({ api: { url: '/chatkit', domainKey: 'local' } });
          document.body.replaceChildren(chat);
        }"""
    )
    expect(page.get_by_role("button", name="Envoyer le message")).to_be_visible()


def test_the_browser_chooses_where_the_page_does_not(
    browser: Browser, server: ScriptedServer
) -> None:
    context = browser.new_context(base_url=server.url, locale="ja-JP")
    page = context.new_page()
    page.goto("/")
    page.evaluate("document.documentElement.removeAttribute('lang')")
    page.evaluate(
        """() => {
          const chat = document.createElement('docs-chatkit');
          chat.setOptions({ api: { url: '/chatkit', domainKey: 'local' } });
          document.body.replaceChildren(chat);
        }"""
    )
    expect(page.get_by_role("button", name="メッセージを送信")).to_be_visible()
    context.close()


def test_another_language_replaces_every_word_without_a_reload(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    text = "Use `pip`.\n\n```bash\npip install x\n```"
    server.stream("threads.create", created(), done(question("Hi")), done(answer(text)))
    element.mount(locale="en", threadItemActions={"feedback": True})
    element.ask("Hi")
    expect(page.get_by_role("button", name="Good answer")).to_be_visible()
    page.get_by_role("textbox").fill("A draft")

    element.call(
        "setOptions",
        {
            "api": {"url": "/chatkit", "domainKey": "local"},
            "locale": "de",
            "threadItemActions": {"feedback": True},
        },
    )

    # Of answers too, whose blocks are otherwise only rendered when their text changes.
    for name in ("Gute Antwort", "Antwort kopieren", "Code kopieren", "Neuer Chat"):
        expect(page.get_by_role("button", name=name)).to_be_visible()
    expect(page.get_by_role("region", name="Chat", exact=True)).to_be_visible()
    expect(page.get_by_role("textbox", name="Nachricht")).to_have_value("A draft")
    expect(page.get_by_text("Hi", exact=True)).to_be_visible()


def test_failures_are_said_in_the_page_s_language_and_server_messages_as_they_come(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    server.answer("threads.create", "<html>", 503)
    server.refuse("threads.create", 429, "Slow down, please.", **{"Retry-After": "3"})
    element.mount(locale="de")
    box = page.get_by_role("textbox", name="Nachricht")
    box.fill("Hallo")
    box.press("Enter")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Der Dienst ist zurzeit nicht verfügbar.")
    alert.get_by_role("button", name="Erneut versuchen").click()
    expect(alert).to_contain_text("Slow down, please.")
    expect(alert).to_contain_text("Versuchen Sie es in 3 Sekunden erneut.")


def test_dates_are_written_as_in_the_language_s_region(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    old = {**thread("thr_1", "Neon"), "created_at": "2024-03-05T12:00:00Z"}
    server.answer("threads.list", {"data": [old], "has_more": False})
    element.mount(locale="de-AT")
    page.get_by_role("button", name="Chatverlauf").click()
    expect(page.get_by_role("button", name="Neon 05.03.2024")).to_be_visible()
    expect(page.get_by_role("button", name="„Neon“ löschen")).to_be_visible()


def test_a_language_that_cannot_be_loaded_leaves_english(element: ElementPage, page: Page) -> None:
    page.route("**/assets/de-*.js", lambda route: route.abort())
    element.mount(locale="de")
    expect(page.get_by_role("button", name="Send message")).to_be_visible()
    element.wait_for("log")
    assert element.events("log")[0][1]["name"] == "language.failed"


def test_the_button_that_closes_has_a_name_in_the_language(
    element: ElementPage, page: Page
) -> None:
    element.mount(locale="de", header={"rightAction": {"icon": "close"}})

    expect(page.get_by_role("button", name="Schließen")).to_be_visible()
