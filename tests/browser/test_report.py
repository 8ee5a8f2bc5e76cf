"""The report of an evaluation, opened as a file."""

from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser

from chatkit_tools.comparison import compare
from chatkit_tools.report import render_report
from tests.tools.test_report import EVIL, evaluation, row

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_a_report_fits_and_runs_nothing(
    browser: Browser, tmp_path: Path, width: int, scheme: Literal["light", "dark"]
) -> None:
    found = evaluation(
        *(row(number, evil=EVIL + "long" * 99 * (number == 3)) for number in range(9))
    )
    (tmp_path / "report.html").write_text(render_report(found, compare(found, EVIL, found)))
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))

    page.goto((tmp_path / "report.html").as_uri())

    assert page.evaluate("document.documentElement.scrollWidth") == width
    # Letters in the plots are small where a plot is shown smaller than it was drawn.
    widths = page.evaluate("[...document.querySelectorAll('svg')].map((svg) => svg.clientWidth)")
    assert min(widths) > 270
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light == (scheme == "light")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert (said, asked) == ([], [(tmp_path / "report.html").as_uri()])
    page.close()
