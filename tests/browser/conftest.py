"""A page with the element and its scripted server."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.element import ElementPage
from tests.browser.pages import Pages, serve_pages
from tests.browser.protocol import VISIT, ScriptedServer, serve
from tests.browser.site import ScriptedSite, serve_site


@pytest.fixture(scope="module")
def scripted_server() -> Iterator[ScriptedServer]:
    with serve() as server:
        yield server


@pytest.fixture
def server(scripted_server: ScriptedServer) -> ScriptedServer:
    scripted_server.reset()
    return scripted_server


@pytest.fixture
def context(browser: Browser, server: ScriptedServer) -> Iterator[BrowserContext]:
    context = browser.new_context(
        base_url=server.url,
        viewport={"width": 380, "height": 600},
        color_scheme="light",
        extra_http_headers={VISIT: str(server.visit)},
    )
    context.set_default_timeout(30_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """Fails the test for any script error and any breach of the page's policy."""
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: (
            problems.append(message.text)
            if message.type == "error" and "Content Security Policy" in message.text
            else None
        ),
    )
    yield page
    assert problems == []


@pytest.fixture(scope="module")
def served() -> Iterator[ScriptedSite]:
    with serve_site() as site:
        yield site


@pytest.fixture
def site(served: ScriptedSite) -> ScriptedSite:
    """This project's docs, as they are built, with a scripted chat."""
    served.release()
    served.requests.clear()
    served.cited = ""
    return served


@pytest.fixture
def pages() -> Iterator[Pages]:
    """Of an origin of their own, whose chat is served from elsewhere."""
    with serve_pages() as pages:
        yield pages


@pytest.fixture
def element(page: Page) -> ElementPage:
    return ElementPage(page)
