"""The plugin while a site is being written: Docusaurus' development server and its hot updates."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.fixture_site import BASE, DOCUSAURUS, write_site
from tests.fixtures.command import free_port

# The first test of a site builds it, in minutes on a busy machine.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

OPTIONS = {"url": "/chatkit", "title": "Ask away"}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_site(tmp_path_factory.mktemp("dev"), OPTIONS)


@pytest.fixture(scope="module")
def url(sources: Path) -> Iterator[str]:
    port = free_port()
    command = ["node", str(DOCUSAURUS), "start", "--no-open", "--host", "127.0.0.1"]
    with subprocess.Popen(
        [*command, "--port", str(port), "--no-minify"],
        cwd=sources,
        env={**os.environ, "DO_NOT_TRACK": "1", "BROWSER": "none"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        try:
            assert server.stdout
            said = []
            for line in server.stdout:
                said.append(line)
                if "Compiled successfully" in line:
                    break
            else:
                raise RuntimeError("".join(said))
            url = f"http://127.0.0.1:{port}{BASE}"
            assert httpx.get(url, timeout=60).status_code == 200
            yield url
        finally:
            server.terminate()
            server.stdout.close() if server.stdout else None
            server.wait()


def test_the_chat_stays_open_while_a_page_is_written(
    browser: Browser, sources: Path, url: str
) -> None:
    page = browser.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{url}docs/next/guide/")
    page.evaluate("window.notReloaded = true")
    page.get_by_role("button", name="Ask away").click()
    composer = page.locator("#chatkit-panel").get_by_role("textbox")
    expect(composer).to_be_focused(timeout=60_000)
    composer.fill("a draft")

    guide = sources / "docs" / "guide.md"
    guide.write_text(guide.read_text().replace("The last words.", "Written just now."))

    expect(page.get_by_text("Written just now.")).to_be_attached(timeout=60_000)
    assert page.evaluate("window.notReloaded") is True
    expect(composer).to_have_value("a draft")
    expect(page.locator(".chatkit-bubble")).to_have_count(1)
    page.close()
