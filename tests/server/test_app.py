"""Health, pages, and the start of the app."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.fixtures.app import Client, StartServer


def test_health_names_each_part(server_url: str) -> None:
    ready = httpx.get(f"{server_url}/readyz")

    assert ready.status_code == 200
    assert ready.json() == {
        "status": "ok",
        "parts": {"database": "ok", "search": "ok", "model": "ok"},
    }
    assert httpx.get(f"{server_url}/healthz").json()["status"] == "ok"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_told_by_head_beside_a_site(
    start_server: StartServer, tmp_path: Path, path: str
) -> None:
    (tmp_path / "index.html").write_text("<h1>Docs</h1>")
    with start_server(site_dir=tmp_path) as url:
        assert httpx.head(f"{url}{path}").status_code == 200


def test_an_engine_that_is_killed_is_started_again(
    start_server: StartServer, docs_data: Path
) -> None:
    with start_server() as url:
        client = Client(url)
        before = client.ask("How do I connect to Neon?")
        engines = [
            process
            for process in psutil.process_iter(["cmdline"])
            if "chatkit_tools.engine" in (process.info["cmdline"] or [])
            and any(str(docs_data) in part for part in process.info["cmdline"])
        ]
        assert len(engines) == 1
        engines[0].send_signal(signal.SIGKILL)
        engines[0].wait(60)

        # Sooner or later: a reader is not kept waiting for as long as a start may take.
        give_up = time.monotonic() + 120
        while (after := client.ask("How do I connect to Neon?")).error is not None:
            assert time.monotonic() < give_up, after.error

    assert before.error is None
    assert after.text == before.text


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "docs/neon").mkdir(parents=True)
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<h1>Home</h1>")
    (tmp_path / "docs/neon/index.html").write_text("<h1>Neon</h1>")
    (tmp_path / "about.html").write_text("<h1>About</h1>")
    (tmp_path / "404.html").write_text("<h1>Nothing here</h1>")
    (tmp_path / "assets/main.abc123.js").write_text("1")
    return tmp_path


def test_a_built_site_is_served_beside_the_chat(start_server: StartServer, site: Path) -> None:
    with start_server(site_dir=site) as url, httpx.Client(base_url=url) as http:
        pages = {path: http.get(path) for path in ("/", "/docs/neon", "/docs/neon/", "/about")}
        missing = http.get("/no/such/page")
        asset = http.get("/assets/main.abc123.js")
        escape = http.get("/..%2f..%2fetc/passwd")
        chat = Client(url).post("threads.list")
        ready = http.get("/readyz")

    assert [response.status_code for response in pages.values()] == [200] * 4
    assert "Neon" in pages["/docs/neon"].text
    assert pages["/"].headers["cache-control"] == "no-cache"
    assert "immutable" in asset.headers["cache-control"]
    assert (missing.status_code, missing.text) == (404, "<h1>Nothing here</h1>")
    assert escape.status_code == 404
    assert (chat.status_code, ready.status_code) == (200, 200)


def test_the_chat_page_is_closed_to_foreign_scripts(server_url: str) -> None:
    page = httpx.get(f"{server_url}/chat")

    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert httpx.get(f"{server_url}/chat/static/chatkit-element.js").status_code == 200
