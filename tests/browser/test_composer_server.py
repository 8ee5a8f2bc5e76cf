"""Files and speech in the composer, with the real server behind it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from chatkit_server.testing import Say, ScriptedModel, ScriptedTranscriber
from tests.browser.composer import (
    HOLD_MICROPHONE,
    box,
    button,
    check_accessibility,
    choose,
    file,
)
from tests.browser.element import wait_until
from tests.browser.protocol import require_build
from tests.fixtures.app import StartServer
from tests.fixtures.files import LOG, PNG, SECRET

pytestmark = pytest.mark.browser

REAL = """async ([composer, uploadStrategy]) => {
  const { visitorFetch } = await import('/chat/static/chatkit-element.js');
  const fetch = visitorFetch();
  const api = { url: '/chatkit', domainKey: 'local', fetch, uploadStrategy };
  document.getElementById('chat').setOptions({ api, composer, locale: 'en' });
}"""

# As from the clipboard; whether it was taken. The part that takes files is loaded for itself.
PASTE = """(bytes) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], 'a.png', { type: 'image/png' }));
  const area = document.getElementById('chat').shadowRoot.querySelector('textarea');
  return !area.dispatchEvent(new ClipboardEvent(
    'paste', { clipboardData: data, bubbles: true, cancelable: true, composed: true }));
}"""


@pytest.mark.parametrize("strategy", ["two_phase", "direct"])
def test_files_reach_the_model_with_the_question(
    browser: Browser, start_server: StartServer, tmp_path: Path, strategy: str
) -> None:
    require_build()
    settings = {"attachments": str(tmp_path / "files"), "secret": SECRET, "model": "m"}
    with (
        ScriptedModel(Say("A pixel.")) as model,
        start_server(openai_base_url=model.base_url, model_api="chat", **settings) as url,
    ):
        page = browser.new_page()
        page.goto(f"{url}/chat")
        upload = {"type": strategy, "uploadUrl": "/chatkit/attachments"}
        page.evaluate(REAL, [{"attachments": {"enabled": True}}, upload])
        choose(page, file("neon.log", "text/plain", LOG.encode()))
        files = page.get_by_role("list", name="Attached files")
        expect(files.get_by_role("listitem")).to_have_text(["neon.log"])
        wait_until(page, PASTE, list(PNG))
        expect(files.get_by_role("listitem")).to_have_text(["neon.log", "a.png"])
        box(page).fill("What is this?")
        expect(button(page, "Send message")).to_be_enabled()
        box(page).press("Enter")
        expect(page.get_by_text("A pixel.")).to_be_visible()
        expect(files.get_by_text("neon.log")).to_be_visible()
        picture = files.get_by_role("img", name="a.png")
        assert picture.evaluate("async (image) => { await image.decode(); return image.src }")
        content = str(model.requests[0].input)
        assert "neon.log" in content
        assert "the port is taken" in content
        assert "data:image/png;base64," in content
        page.close()


@contextmanager
def dictating(
    browser: Browser, start_server: StartServer, *said: str
) -> Iterator[tuple[Page, ScriptedTranscriber]]:
    """A page that takes dictation, of which the server hears this."""
    require_build()
    with (
        ScriptedTranscriber(*said) as transcriber,
        start_server(
            transcription_model="whisper", transcription_base_url=transcriber.base_url
        ) as url,
    ):
        context = browser.new_context(base_url=url)
        page = context.new_page()
        page.goto("/chat")
        page.evaluate(REAL, [{"dictation": {"enabled": True}}, None])
        yield page, transcriber
        context.close()


def test_speech_becomes_text_where_the_caret_is(
    hearing_browser: Browser, start_server: StartServer
) -> None:
    said = ("does it connect?", "")
    with dictating(hearing_browser, start_server, *said) as (page, transcriber):
        box(page).fill("How")
        button(page, "Dictate").press("Enter")
        expect(page.get_by_role("status").filter(has_text="Listening")).to_be_visible()
        expect(button(page, "Finish dictation")).to_be_focused()
        # It goes on while it is looked at.
        expect(page.locator(".clock")).to_have_text(re.compile("^0:(0[1-9]|[1-5][0-9])$"))
        check_accessibility(page)
        page.keyboard.press("Enter")
        expect(box(page)).to_have_value("How does it connect?")
        expect(box(page)).to_be_focused()
        recording = transcriber.recordings[0]
        assert len(recording.data) > 1000
        button(page, "Dictate").press("Enter")
        button(page, "Finish dictation").press("Enter")
        expect(page.get_by_role("alert")).to_have_text("Nothing was heard.")
        button(page, "Dictate").press("Enter")
        button(page, "Discard dictation").press("Enter")
        expect(button(page, "Dictate")).to_be_visible()
        assert len(transcriber.recordings) == 2


def test_a_recording_that_begins_late_leaves_the_focus_with_who_is_typing(
    hearing_browser: Browser, start_server: StartServer
) -> None:
    with dictating(hearing_browser, start_server, "does it connect?") as (page, _):
        page.evaluate(HOLD_MICROPHONE)
        button(page, "Dictate").press("Enter")
        box(page).fill("How")
        page.evaluate("allow()")
        expect(page.get_by_role("status").filter(has_text="Listening")).to_be_visible()
        expect(box(page)).to_be_focused()
        page.keyboard.type(" now")
        button(page, "Finish dictation").press("Enter")
        expect(box(page)).to_have_value("How now does it connect?")
