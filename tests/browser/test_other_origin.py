"""A page of another origin neither reads nor drives the chat, and its secret goes nowhere else."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests.browser.pages import Pages, serve_pages
from tests.fixtures.app import Client, StartServer

pytestmark = pytest.mark.browser

QUESTION = "How do I connect to Neon?"

# With all that a hostile page may have learned: the reader's thread, and even the secret.
TRY = """async ([server, thread, secret]) => {
  const list = { type: 'threads.list', params: {} };
  const input = { content: [{ type: 'input_text', text: 'Forged' }], attachments: [],
    inference_options: {} };
  const add = { type: 'threads.add_user_message', params: { thread_id: thread, input } };
  const remove = { type: 'threads.delete', params: { thread_id: thread } };
  const json = { 'Content-Type': 'application/json' };
  const tries = [];
  for (const body of [list, add, remove]) {
    for (const headers of [{}, json, { ...json, 'X-Session-Id': secret }]) {
      for (const mode of ['cors', 'no-cors']) {
        tries.push([`${server}/chatkit`, {
          method: 'POST', mode, headers, credentials: 'include', body: JSON.stringify(body),
        }]);
      }
    }
  }
  for (const mode of ['cors', 'no-cors']) {
    const stop = JSON.stringify({ thread_id: thread });
    tries.push([`${server}/chatkit/stop`, { method: 'POST', mode, body: stop }]);
    tries.push([`${server}/chatkit/turns/${thread}`, { mode, credentials: 'include' }]);
    tries.push([`${server}/chat`, { mode, credentials: 'include' }]);
  }
  const read = [];
  for (const [url, init] of tries) {
    try {
      const text = await (await fetch(url, init)).text();
      if (text !== '') read.push([url, text]);
    } catch { /* The browser has refused it. */ }
  }
  return { tries: tries.length, read };
}"""


@dataclass
class Reader:
    """Somebody with a chat, and a hostile page that knows of it."""

    context: BrowserContext
    server: str
    hostile: Pages
    chat: Page
    requests: list[Request]

    @property
    def secret(self) -> str:
        found = self.chat.evaluate("localStorage['docs-chatkit:visitor']")
        assert isinstance(found, str)
        return found

    def client(self) -> Client:
        return Client(self.server, self.secret)

    def texts(self) -> list[str]:
        (thread,) = self.client().threads()
        return [
            item["content"][0]["text"]
            for item in self.client().items(thread["id"])
            if item["type"] == "user_message"
        ]


def ask(chat: Page) -> None:
    answers = chat.get_by_role("button", name="Copy answer")
    before = answers.count()
    box = chat.get_by_role("textbox")
    box.fill(QUESTION)
    expect(chat.get_by_role("button", name="Send message")).to_be_enabled()
    box.press("Enter")
    expect(answers).to_have_count(before + 1)


@pytest.fixture
def reader(browser: Browser, start_server: StartServer) -> Iterator[Reader]:
    # The answers of the server may be read by an origin that is listed, and this is another one.
    with (
        serve_pages() as hostile,
        start_server(allowed_origins=("https://docs.example",)) as server,
    ):
        # Another site as well as another origin.
        hostile.url = hostile.url.replace("127.0.0.1", "localhost")
        context = browser.new_context(viewport={"width": 600, "height": 700})
        context.set_default_timeout(30_000)
        requests: list[Request] = []
        context.on("request", lambda request: requests.append(request))
        chat = context.new_page()
        chat.goto(f"{server}/chat")
        ask(chat)
        yield Reader(context, server, hostile, chat, requests)
        context.close()


def test_a_hostile_page_reads_nothing_and_changes_nothing(reader: Reader) -> None:
    (thread,) = reader.client().threads()
    page = reader.context.new_page()
    page.goto(reader.hostile.put("/", "<h1>Prizes</h1>"))

    found = page.evaluate(TRY, [reader.server, thread["id"], reader.secret])

    assert found == {"tries": 24, "read": []}
    assert reader.texts() == [QUESTION]


def test_the_chat_cannot_be_framed(reader: Reader) -> None:
    page = reader.context.new_page()
    body = f'<iframe id="frame" src="{reader.server}/chat" width="500" height="500"></iframe>'
    with page.expect_console_message(lambda said: "frame-ancestors" in said.text):
        page.goto(reader.hostile.put("/", body))

    expect(page.frame_locator("#frame").locator("docs-chatkit")).to_have_count(0)


def test_a_window_that_a_hostile_page_opens_obeys_nobody(reader: Reader) -> None:
    page = reader.context.new_page()
    page.goto(reader.hostile.put("/", "<h1>Prizes</h1>"))
    with page.expect_popup() as opened:
        page.evaluate(
            "url => { window.chat = open(url) }", f"{reader.server}/chat?ask=Forged&q=x#ask"
        )
    chat = opened.value
    expect(chat.get_by_role("button", name="Copy answer")).to_be_visible()
    before = len(reader.requests)

    tried = page.evaluate(
        """() => {
          const types = ['chatkit:ask', 'sendUserMessage', 'chatkit.ready', 'setOptions'];
          for (const type of types) {
            const detail = { question: 'Forged', text: 'Forged', api: { url: origin } };
            window.chat.postMessage({ type, name: type, detail, question: 'Forged' }, '*');
          }
          const failed = [];
          const reads = [
            () => window.chat.document.body,
            () => window.chat.localStorage,
            () => window.chat.DocsChatKit,
            () => window.chat.customElements,
          ];
          for (const read of reads) {
            try { read(); } catch (error) { failed.push(error.name); }
          }
          return failed;
        }"""
    )

    assert tried == ["SecurityError"] * 4
    # What was posted has arrived by the time that the window answers itself.
    chat.evaluate(
        "() => new Promise((done) => { onmessage = () => done(null); postMessage(0, '*') })"
    )
    assert [request.method for request in reader.requests[before:]] == []
    expect(chat.get_by_role("textbox")).to_have_value("")
    assert reader.texts() == [QUESTION]


def test_the_secret_is_in_one_header_and_nowhere_else(
    reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "chatkit_server.turn")
    said: list[str] = []
    reader.chat.on("console", lambda message: said.append(message.text))
    reader.chat.reload()
    expect(reader.chat.get_by_role("button", name="Copy answer")).to_be_visible()
    ask(reader.chat)
    reader.chat.get_by_role("button", name="Chat history").click()
    expect(reader.chat.get_by_role("listitem")).to_have_count(1)

    secret = reader.secret
    carried = 0
    for request in reader.requests:
        headers = request.all_headers()
        carried += headers.pop("x-session-id", None) == secret
        assert secret not in request.url
        assert secret not in (request.post_data or "")
        assert secret not in "".join(headers.values())
    assert carried >= 3
    assert secret not in reader.chat.evaluate(
        "document.documentElement.outerHTML +"
        " document.querySelector('docs-chatkit').shadowRoot.innerHTML + document.cookie"
    )
    assert secret not in "".join(said)
    assert reader.context.cookies() == []
    assert "turn_id" in caplog.text
    assert secret not in caplog.text
