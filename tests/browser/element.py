"""The element on a page, as a test handles it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Locator, Page, Route, expect

EVENTS = [
    "ready",
    "error",
    "effect",
    "deeplink",
    "response.start",
    "response.end",
    "history.open",
    "history.close",
    "thread.change",
    "thread.load.start",
    "thread.load.end",
    "tool.change",
    "log",
]

MOUNT = """([options, names, tag]) => {
  const chat = document.createElement(tag);
  chat.id = 'chat';
  window.seen = [];
  for (const name of names) {
    chat.addEventListener(`chatkit.${name}`, ({ detail }) => {
      window.seen.push([name, detail?.error ? detail.error.message : detail ?? null]);
    });
  }
  chat.setOptions({ api: { url: '/chatkit', domainKey: 'local' }, ...options });
  document.body.replaceChildren(chat);
}"""


def wait_until(page: Page, condition: str, argument: Any = None) -> None:
    """Until a function of the page is true.

    `Page.wait_for_function` makes code of a string at its second look, which the policy forbids.
    """
    page.evaluate(
        f"""async (argument) => {{
          const met = {condition};
          const end = performance.now() + 60_000;
          while (!met(argument)) {{
            if (performance.now() > end) throw new Error(`Not within a minute: ${{met}}`);
            await new Promise((later) => setTimeout(later, 20));
          }}
        }}""",
        argument,
    )


def copy(page: Page, name: str) -> None:
    """Press a button that copies something, and see it say so, which it does for two seconds."""
    button = page.get_by_role("button", name=name)
    button.evaluate(
        """(button) => {
          window.said = [];
          new MutationObserver(() => window.said.push(button.ariaLabel))
            .observe(button, { attributes: true, attributeFilter: ['aria-label'] });
        }"""
    )
    button.click()
    wait_until(page, "() => window.said.includes('Copied')")


def wait_until_still(node: Locator) -> None:
    """Until it has come to the place that it moves to when it is shown."""
    node.evaluate(
        "node => Promise.allSettled(node.getAnimations().map(({ finished }) => finished)).then()"
    )


@contextmanager
def put_off(page: Page, name: str) -> Iterator[None]:
    """What the page asks of `setTimeout` or the like in the block, it has at the block's end."""
    page.evaluate(
        """(name) => {
          const real = window[name];
          const asked = [];
          window[name] = (...asking) => -asked.push(asking);
          window.haveItNow = () => {
            window[name] = real;
            for (const asking of asked) real(...asking);
          };
        }""",
        name,
    )
    yield
    page.evaluate("haveItNow()")


class Held:
    """The requests of a page for an address, with a text in them, which wait for their release."""

    def __init__(self, page: Page, address: str, text: str = "") -> None:
        self._routes: list[Route] = []
        self._released = False

        def hold(route: Route) -> None:
            if text in (route.request.post_data or "") and not self._released:
                self._routes.append(route)
            else:
                route.continue_()

        page.route(address, hold)

    def release(self) -> None:
        self._released = True
        for route in self._routes:
            route.continue_()


class ElementPage:
    """A page under a strict policy with the element in it."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def mount(self, tag: str = "docs-chatkit", path: str = "/", **options: Any) -> None:
        self.page.goto(path)
        wait_until(self.page, "(tag) => customElements.get(tag)", tag)
        self.page.evaluate(MOUNT, [options, EVENTS, tag])

    def call(self, method: str, *args: Any) -> Any:
        script = "([method, args]) => document.getElementById('chat')[method](...args)"
        return self.page.evaluate(script, [method, list(args)])

    def events(self, *names: str) -> list[Any]:
        """The events so far, or those of some names, as [name, detail]."""
        seen: list[Any] = self.page.evaluate("window.seen")
        return [event for event in seen if not names or event[0] in names]

    def wait_for(self, name: str) -> None:
        """Until an event of this name has come."""
        wait_until(self.page, "(name) => window.seen.some(([seen]) => seen === name)", name)

    def ask(self, text: str) -> None:
        box = self.page.get_by_role("textbox", name="Message")
        box.fill(text)
        # Not before the answer to the last one has come to its end.
        expect(self.page.get_by_role("button", name="Send message")).to_be_enabled()
        box.press("Enter")
