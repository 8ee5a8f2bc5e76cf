"""The composer on a page, as a test handles it."""

from playwright.sync_api import FilePayload, Locator, Page

from tests.browser.protocol import ROOT

AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
# As a browser that asks for permission first. All that was given is kept.
HOLD_MICROPHONE = """() => {
  const devices = navigator.mediaDevices;
  const ask = devices.getUserMedia.bind(devices);
  const allowed = new Promise((allow) => { window.allow = allow; });
  window.streams = [];
  devices.getUserMedia = async (wanted) => {
    await allowed;
    const stream = await ask(wanted);
    window.streams.push(stream);
    return stream;
  };
}"""


def box(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Message")


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def check_accessibility(page: Page) -> None:
    page.evaluate(AXE.read_text())
    violations = page.evaluate(
        """async () => (await axe.run()).violations.map(
            ({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`)"""
    )
    # The page around the element has no landmarks or heading of its own.
    found = [v for v in violations if not v.startswith(("landmark-one-main", "region"))]
    assert found == [], found


def file(name: str, mime: str, content: bytes = b"x") -> FilePayload:
    return {"name": name, "mimeType": mime, "buffer": content}


def choose(page: Page, *files: FilePayload) -> None:
    with page.expect_file_chooser() as chooser:
        button(page, "Attach files").click()
    chooser.value.set_files(list(files))
