"""What runs the documentation's commands finds out what does not work."""

from pathlib import Path
from textwrap import dedent

import httpx
import pytest

from tests.docs.__main__ import Report, run_page
from tests.docs.session import open_session
from tests.docs.stages import Stage


@pytest.fixture
def patience() -> float:
    """Seconds for a block; a busy machine takes some of them for a start of Python."""
    return 120.0


@pytest.fixture
def report(tmp_path: Path, request: pytest.FixtureRequest, patience: float) -> Report:
    """What became of the blocks of a page, which is the test's docstring."""
    page = tmp_path / "page.md"
    page.write_text(dedent(request.function.__doc__), encoding="utf-8")
    report = Report()
    with open_session() as session:
        run_page(page, session, Stage(patience=patience), report)
    return report


def test_what_a_block_sets_is_there_for_the_next(report: Report) -> None:
    """
    ```bash
    name=Ada; greet() { echo "Hello $name"; }; cd /tmp
    ```

    ```bash
    [ "$(greet)" = "Hello Ada" ] && [ "$PWD" = /tmp ]
    ```
    """
    assert (report.counts["run"], report.failures) == (2, [])


def test_a_command_that_fails_in_the_middle_is_found(report: Report) -> None:
    """
    ```bash
    false | cat
    echo done
    ```

    ```bash
    echo the next one runs in a new shell
    ```
    """
    assert report.counts == {"failed": 1, "run": 1}
    assert report.failures[0].startswith("page.md:2")


def test_a_refusal_that_curl_takes_for_success_is_found(report: Report) -> None:
    """
    ```bash
    echo '{"error": {"code": "not_found"}}'
    ```
    """
    assert "the server refused it" in report.failures[0]


def test_an_output_of_another_form_than_shown_is_found(report: Report) -> None:
    """
    ```bash
    echo '{"stopped": true}'
    ```

    ```json
    {"stop": true}
    ```

    ```text
    $ echo '{"status": "ok"}'
    {"state": "ok"}
    ```

    ```text
    $ true
    This is printed.
    ```
    """
    assert report.counts == {"run": 1, "failed": 3}


def test_what_should_fail_and_does_not_is_found(report: Report) -> None:
    """
    ```bash fails="there is no such file"
    true
    ```
    """
    assert report.counts["failed"] == 1


@pytest.mark.parametrize("patience", [3.0])
def test_what_hangs_is_ended(report: Report) -> None:
    """
    ```bash
    sleep 1000
    ```
    """
    assert "still running after 3 s" in report.failures[0]


def test_a_file_of_the_page_is_there_and_python_may_wait_outside_of_functions(
    report: Report,
) -> None:
    """
    ```python title="shop/prices.py"
    PRICE = 3
    ```

    ```python
    import asyncio

    from shop.prices import PRICE

    await asyncio.sleep(0)
    assert PRICE == 3
    ```

    ```python
    assert 1 == 2
    ```
    """
    assert report.counts == {"run": 2, "failed": 1}
    assert "AssertionError" in report.failures[0]


def test_what_is_left_out_is_counted_with_its_reason(report: Report) -> None:
    """
    ```bash skip="needs a cluster"
    kubectl apply -k .
    ```

    ```bash
    CHATKIT_SITE_NAME=Acme
    ```
    """
    assert report.counts == {"not run": 1, "checked": 1}
    assert report.reasons == ["page.md:2 (bash): needs a cluster"]


def test_a_server_runs_beside_the_next_command_and_ends_with_the_page() -> None:
    with open_session() as session:
        url = f"http://127.0.0.1:{session.port('8000')}/healthz"
        begun = session.run("chatkit-server serve")
        asked = session.run("curl -s localhost:8000/healthz")
        assert (begun.status, asked.status) == (0, 0), begun.output
        assert '"status":"ok"' in asked.output
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
