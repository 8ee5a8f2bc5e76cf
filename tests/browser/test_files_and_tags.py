"""Files that are dropped or given by the page, and the tags of a message."""

import base64
import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.composer import box, button, check_accessibility, choose, file
from tests.browser.element import ElementPage, wait_until
from tests.browser.events import answer, created, done, item, question
from tests.browser.link_speed import slow_down
from tests.browser.protocol import Event, ScriptedServer
from tests.browser.test_composer import SET, TAGS, script_turns

pytestmark = pytest.mark.browser

FILES = {"enabled": True, "accept": {"text/plain": [".txt"]}}
DRAG = """([type, leaving]) => {
  const data = new DataTransfer();
  data.items.add(new File(['dropped words'], 'notes.txt', { type: 'text/plain' }));
  const app = document.getElementById('chat').shadowRoot.querySelector('.app');
  const event = new DragEvent(type, {
    dataTransfer: data, bubbles: true, composed: true, cancelable: true,
    relatedTarget: leaving ? document.body : null,
  });
  app.querySelector('textarea').dispatchEvent(event);
  return event.defaultPrevented;
}"""
PREVIEWS = """{
  entities: {
    onRequestPreview: async (entity) => {
      calls.push(entity);
      if (entity.id === 'nobody') return { preview: null };
      const children = [{ type: 'Title', value: entity.title }, { type: 'Text', value: 'Core' }];
      return { preview: { type: 'Basic', children } };
    },
  },
}"""
# Pixels of a picture that are darker than any ground.
INK = """async (png) => {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = image.width;
  canvas.height = image.height;
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  let dark = 0;
  for (let at = 0; at < data.length; at += 4) {
    if (data[at] + data[at + 1] + data[at + 2] < 3 * 90) dark++;
  }
  return dark;
}"""


def announced(name: str, server: ScriptedServer) -> Event:
    return {
        "type": "file",
        "id": f"atc_{name}",
        "name": name,
        "mime_type": "text/plain",
        "upload_descriptor": {"url": f"{server.url}/uploads/{name}", "method": "PUT"},
    }


def attached(page: Page) -> Locator:
    return page.get_by_role("list", name="Attached files").get_by_role("listitem")


def tagged(*tags: Event) -> Event:
    content: list[Event] = [{"type": "input_text", "text": "Ask "}]
    for tag in tags:
        content += [{"type": "input_tag", **tag}, {"type": "input_text", "text": " "}]
    return item("user_message", "msg_q", content=content, attachments=[], inference_options={})


def test_a_file_is_dropped_onto_the_chat(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    server.answer("attachments.create", announced("notes.txt", server))
    element.mount(composer={"attachments": FILES})
    expect(page.get_by_role("button", name="Attach files")).to_be_visible()
    hint = page.get_by_text("Drop files here")
    # Without that the browser would leave the page for the file. Its part is loaded by and by.
    wait_until(page, DRAG, ["dragover", False])
    expect(hint).to_be_visible()
    check_accessibility(page)
    page.evaluate(DRAG, ["dragleave", True])
    expect(hint).to_have_count(0)
    page.evaluate(DRAG, ["dragover", False])
    assert page.evaluate(DRAG, ["drop", False]) is True
    expect(hint).to_have_count(0)
    expect(attached(page)).to_have_text(["notes.txt"])
    expect(page.get_by_role("progressbar")).to_have_count(0)
    expect(box(page)).to_be_focused()
    assert server.uploads == {"notes.txt": b"dropped words"}
    assert server.sent("attachments.create") == [
        {"name": "notes.txt", "size": 13, "mime_type": "text/plain"}
    ]


def test_a_page_gives_files_to_the_composer(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    server.answer("attachments.create", announced("given.txt", server))
    element.mount(composer={"attachments": FILES})
    page.evaluate(
        """() => {
          const file = new File(['given words'], 'given.txt', { type: 'text/plain' });
          return document.getElementById('chat').setComposerValue({ text: 'Read', files: [file] });
        }"""
    )
    # The promise of the method was that of the upload.
    assert server.uploads == {"given.txt": b"given words"}
    expect(attached(page)).to_have_text(["given.txt"])
    script_turns(server, "Read")
    box(page).press("Enter")
    expect(page.get_by_text("Answer 0")).to_be_visible()
    assert server.sent("threads.create")[0]["input"]["attachments"] == ["atc_given.txt"]


def test_an_upload_shows_how_far_it_is_and_holds_the_message_back(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    server.answer("attachments.create", announced("long.txt", server))
    element.mount(composer={"attachments": FILES})
    box(page).fill("Read")
    button(page, "Attach files").wait_for()
    speed_up = slow_down(page)
    # Minutes, unless the connection gets quicker.
    choose(page, file("long.txt", "text/plain", b"x" * 4_000_000))
    progress = page.get_by_role("progressbar", name="Uploading “long.txt”")
    expect(progress).to_have_attribute("value", re.compile(r"^0\.\d+$"))
    expect(button(page, "Send message")).to_be_disabled()
    check_accessibility(page)
    speed_up()
    expect(progress).to_have_count(0)
    expect(button(page, "Send message")).to_be_enabled()
    assert len(server.uploads["long.txt"]) == 4_000_000


def test_a_tag_is_readable_where_it_is_written(element: ElementPage, page: Page) -> None:
    def ink() -> int:
        return int(page.evaluate(INK, base64.b64encode(box(page).screenshot()).decode()))

    element.mount()
    page.evaluate(SET, [{}, TAGS])
    # Without the focus there is no caret, which blinks.
    box(page).fill("@Bob ")
    box(page).blur()
    plain = ink()
    box(page).fill("")
    box(page).press_sequentially("@Bo")
    page.get_by_role("option", name="Bob").click()
    expect(box(page)).to_have_value("@Bob ")
    box(page).blur()
    assert plain > 50
    assert ink() > plain * 0.8


def test_what_the_page_knows_of_a_tag_is_shown_beside_it(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    ada = {"id": "ada", "text": "Ada L", "group": "People", "data": {"team": "core"}}
    sent = tagged(ada, {"id": "nobody", "text": "Nobody"})
    server.stream("threads.create", created(), done(sent), done(answer("Hello.")))
    element.mount()
    page.evaluate(SET, [{}, PREVIEWS])
    element.ask("Ask")
    tag = page.locator(".tag", has_text="@Ada L")
    tag.hover()
    card = page.get_by_role("tooltip")
    expect(card).to_contain_text("Ada L")
    expect(card).to_contain_text("Core")
    check_accessibility(page)
    page.get_by_text("Hello.").hover()
    expect(card).to_have_count(0)
    # By keyboard as well, and Escape closes it and nothing else.
    tag.focus()
    expect(card).to_contain_text("Core")
    page.keyboard.press("Escape")
    expect(card).to_have_count(0)
    page.keyboard.press("Tab")
    expect(page.get_by_text("@Nobody")).to_be_focused()
    wait_until(page, "() => calls.some(({ id }) => id === 'nobody')")
    expect(card).to_have_count(0)
    calls: list[Any] = page.evaluate("calls")
    assert {name: value for name, value in calls[0].items() if value is not None} == {
        "id": "ada",
        "title": "Ada L",
        "group": "People",
        "data": {"team": "core"},
    }


def test_what_the_page_knows_of_a_cited_entity_is_shown_beside_its_number(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    cited = {"type": "entity", "id": "ada", "title": "Ada L", "interactive": False}
    annotation = {"type": "annotation", "source": cited, "index": 6}
    server.stream("threads.create", created(), done(answer("She is.", annotations=[annotation])))
    element.mount()
    page.evaluate(SET, [{}, PREVIEWS])
    element.ask("Who?")
    page.locator(".cite").hover()
    expect(page.get_by_role("tooltip")).to_contain_text("Core")


def test_a_file_with_a_long_name_stays_in_its_message(
    element: ElementPage, server: ScriptedServer, page: Page
) -> None:
    name = "a very long name of a report that goes on and on and on.pdf"
    sent = {"type": "file", "id": "a1", "name": name, "mime_type": "application/pdf"}
    asked = {**question("Read this."), "attachments": [sent]}
    server.stream("threads.create", created(), done(asked), done(answer("Read.")))
    element.mount()
    element.ask("Read this.")
    file_box = attached(page).bounding_box()
    message = page.get_by_role("article").first.bounding_box()
    assert file_box is not None
    assert message is not None
    assert file_box["x"] + file_box["width"] <= message["x"] + message["width"]
