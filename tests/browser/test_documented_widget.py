"""The page on widgets and forms: what its tools send is shown, pressed and filled in."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from chatkit_server.testing import Call, Say, ScriptedModel, open_chat
from tests.browser.protocol import require_build
from tests.docs.blocks import read_blocks
from tests.named import ROOT

pytestmark = pytest.mark.browser

PAGE = ROOT / "web/site/docs/widgets.md"
OWN_ANSWERS = """async () => {
  const { visitorFetch } = await import('/chat/static/chatkit-element.js');
  const api = { url: '/chatkit', domainKey: 'local', fetch: visitorFetch() };
  document.getElementById('chat').setOptions({ api, ownAnswers: true, locale: 'en' });
}"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The page's files can be imported, as from the reader's own folder."""
    for block in read_blocks(PAGE):
        if (title := block.meta.get("title", "")).endswith(".py"):
            (tmp_path / title).parent.mkdir(exist_ok=True)
            (tmp_path / title).write_text(block.text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield
    for name in [name for name in sys.modules if name == "main" or name.startswith("acme_docs")]:
        del sys.modules[name]


def ask(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Message").fill(text)
    page.get_by_role("textbox", name="Message").press("Enter")


@pytest.mark.usefixtures("modules")
def test_a_card_of_a_tool_is_shown_and_its_button_acts(browser: Browser, database_url: str) -> None:
    require_build()
    server: Any = importlib.import_module("main")
    script = Call("show_plan", {"name": "small"}), Say("This is the small plan.")
    with (
        ScriptedModel(*script) as model,
        open_chat(
            model,
            tools="acme_docs.plans:show_plan",
            server_class=server.AcmeServer,
            database_url=database_url,
        ) as visitor,
    ):
        page = browser.new_page()
        page.goto(f"{visitor.url}/chat")
        ask(page, "What does the small plan cost?")
        card = page.locator(".widget")
        expect(card.get_by_text("9 € a month")).to_be_visible()
        expect(page.get_by_text("This is the small plan.")).to_be_visible()
        card.get_by_role("button", name="Choose").click()
        expect(card.get_by_role("button", name="Chosen")).to_be_disabled()

        page.reload()

        expect(page.locator(".widget").get_by_role("button", name="Chosen")).to_be_disabled()
        page.close()


@pytest.mark.usefixtures("modules")
def test_a_form_takes_an_answer_of_the_readers_own(browser: Browser, database_url: str) -> None:
    require_build()
    script = Call("ask_version"), Say("Version 3 is none yet.")
    with (
        ScriptedModel(*script) as model,
        open_chat(
            model, agent="acme_docs.forms:agent", own_answers=True, database_url=database_url
        ) as visitor,
    ):
        page = browser.new_page()
        page.goto(f"{visitor.url}/chat")
        page.evaluate(OWN_ANSWERS)
        ask(page, "How do I upgrade?")
        form = page.locator("form").filter(has_text="Which one?")
        form.get_by_label("Another answer").fill("the third")
        form.get_by_role("button", name="Send answers").click()
        expect(page.get_by_text("Version 3 is none yet.")).to_be_visible()
        assert "the third" in model.requests[-1].text
        page.close()
