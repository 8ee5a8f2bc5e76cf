"""A slow connection of the browser's, as Chromium's own tools make it."""

from collections.abc import Callable

from playwright.sync_api import Page

# As the developer tools have it.
SLOW_3G = {"latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}


UNLIMITED = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}


def slow_down(page: Page) -> Callable[[], None]:
    """Gives what makes it quick again, also for what is on its way."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")

    def emulate(conditions: dict[str, int]) -> None:
        session.send("Network.emulateNetworkConditions", {"offline": False, **conditions})

    emulate(SLOW_3G)
    return lambda: emulate(UNLIMITED)
