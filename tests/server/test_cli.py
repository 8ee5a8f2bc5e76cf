"""The commands, run as a user runs them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.fixtures.app import Client
from tests.fixtures.command import COMMAND, free_port, run
from tests.tools.site import Site, html


def test_index_search_and_ask_work_on_an_empty_machine(place: Path) -> None:
    before = run(place, "search", "bake a loaf")
    indexed = run(place, "index", "docs", "--base-url", "/docs", "--json")
    again = run(place, "index", "docs", "--base-url", "/docs")
    found = run(place, "search", "bake a loaf", "--json", "--limit", "1")
    missed = run(place, "search", "xylophone")
    asked = run(place, "ask", "At what temperature do I bake the loaf?")
    asked_json = run(place, "ask", "At what temperature do I bake the loaf?", "--json")

    assert "Nothing is indexed" in before.stdout
    assert missed.stdout == "Nothing found.\n"
    assert indexed.returncode == 0, indexed.stderr
    counts = json.loads(indexed.stdout)
    assert (counts["added"], counts["unreadable"]) == (3, [])
    assert "3 unchanged" in again.stdout
    (hit,) = json.loads(found.stdout)
    assert hit["url"] == "/docs/bread#oven"
    assert set(hit) == {
        "score", "coverage", "headings", "url", "title", "text", "version", "locale",
    }  # fmt: skip
    assert "230 degrees" in asked.stdout
    assert "[1] Baking bread › Oven\n    /docs/bread#oven" in asked.stdout
    answer = json.loads(asked_json.stdout)
    assert answer["sources"][0]["url"] == "/docs/bread#oven"
    assert answer["error"] is None
    assert answer["search"] == {
        "query": "At what temperature do I bake the loaf?",
        "again": [],
        "covered": True,
        "confidence": answer["search"]["confidence"],
    }
    assert answer["search"]["confidence"] > 0


def test_an_unreadable_document_is_named_and_the_rest_is_indexed(place: Path) -> None:
    (place / "docs/broken.md").write_bytes(b"# Broken \xff\xfe\n")

    indexed = run(place, "index", "docs")

    assert indexed.returncode == 1
    assert "3 added" in indexed.stdout
    assert "broken.md" in indexed.stderr
    assert "Traceback" not in indexed.stderr


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (("index", "nowhere"), {}, "nowhere is not a folder"),
        (("index", "docs", "--base-url", "docs"), {}, "must start with / or https://"),
        (("index", "ftp://docs.example.org"), {}, "starts with http:// or https://"),
        (("index", "http://127.0.0.1:1/sitemap.xml"), {}, "/robots.txt can't be read"),
        (("index", "http://127.0.0.1:1", "--header", "Token hunter2"), {}, "like 'Name: value'"),
        (("index", "http://127.0.0.1:1", "--header", "X: hunter2\x07"), {}, "header X has a value"),
        (("index", "http://u:hunter2@127.0.0.1:1"), {}, "Authorization"),
        (("index", "docs"), {"CHATKIT_DATA_DIR": "/dev/null"}, "CHATKIT_DATA_DIR is '/dev/null'"),
        (("serve",), {"CHATKIT_DATA_DIR": "/dev/null/x"}, "CHATKIT_DATA_DIR is '/dev/null/x'"),
        (("serve",), {"CHATKIT_JOURNAL_DIR": "/dev/null/x"}, "CHATKIT_JOURNAL_DIR to a folder"),
        (("serve",), {"CHATKIT_SITE_DIR": "nowhere"}, "there is no such folder"),
        (("serve",), {"PORT": "http"}, "PORT is 'http'"),
        (("serve",), {"CHATKIT_JWT_ISSUER": "i"}, "CHATKIT_JWT_ISSUER is set and no key"),
        (("serve", "--port", "99999"), {}, "99999"),
        (("serve",), {"OPENAI_BASE_URL": "http://x/v1"}, "CHATKIT_MODEL is not set"),
        (("migrate",), {"DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/x"}, "database"),
        (("search", "x"), {"QDRANT_URL": "http://127.0.0.1:1"}, "Qdrant at 127.0.0.1"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    place: Path, arguments: tuple[str, ...], variables: dict[str, str], said: str
) -> None:
    done = run(place, *arguments, **variables)

    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr


def test_a_folder_without_documents_empties_nothing(place: Path) -> None:
    run(place, "index", "docs", "--base-url", "/docs")
    (place / "empty").mkdir()

    emptied = run(place, "index", "empty")
    again = run(place, "index", "docs", "--base-url", "/docs")

    assert emptied.returncode == 1
    assert "nothing was changed" in emptied.stderr
    assert "3 unchanged" in again.stdout


def test_a_site_is_indexed_by_its_address(place: Path) -> None:
    with Site.run() as site:
        site.lists("/docs/bread", "/docs/gone", "/blog/news")
        site.pages["/docs/bread"] = html("Bread", "Bake it at 230 degrees.")
        options = ("--include", "/docs/*", "--header", "Authorization: Bearer hunter2")

        indexed = run(place, "index", site.url, *options, "--json")
        again = run(place, "index", site.url, *options)
        found = run(place, "search", "bake", "--json")

        assert {request.headers["Authorization"] for request in site.requests} == {"Bearer hunter2"}
        assert site.statuses.count(304) == 1
    assert indexed.returncode == 0, indexed.stderr
    counts = json.loads(indexed.stdout)
    assert (counts["added"], counts["unreadable"]) == (1, [])
    assert {one["path"] for one in counts["skipped"]} == {
        f"{site.url}/sitemap.xml",
        f"{site.url}/docs/gone",
    }
    assert "1 unchanged" in again.stdout
    assert f"skipped {site.url}/docs/gone: is gone (404)" in again.stderr
    assert json.loads(found.stdout)[0]["url"].startswith(f"{site.url}/docs/bread")
    assert "hunter2" not in indexed.stderr + again.stderr + indexed.stdout


def test_a_tool_that_is_missing_stops_the_start_with_a_sentence(place: Path) -> None:
    done = run(place, "serve", "--port", str(free_port()), CHATKIT_TOOLS="no_such:tool")

    assert done.returncode == 3
    assert "CHATKIT_TOOLS names 'no_such:tool'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dry_run_tells_what_an_index_run_would_do(place: Path) -> None:
    run(place, "index", "docs", "--base-url", "/docs")
    (place / "docs/bread.md").unlink(missing_ok=True)
    (place / "docs/cake.md").write_text("# Cake\n\nWith candles.")
    (place / "docs/later.md").write_text("---\ndraft: true\n---\n\nNot yet.")

    told = run(place, "index", "docs", "--base-url", "/docs", "--dry-run")
    kept = run(place, "index", "docs", "--base-url", "/docs", "--no-prune", "--json")
    done = run(place, "index", "docs", "--base-url", "/docs")

    assert "Would be: 1 added, 0 changed, 1 removed" in told.stdout
    assert "skipped later.md: is draft (front matter)" in told.stderr
    counts = json.loads(kept.stdout)
    assert (counts["added"], counts["removed"], counts["kept"]) == (1, 0, 1)
    assert counts["skipped"] == [{"path": "later.md", "reason": "is draft (front matter)"}]
    assert "0 added, 0 changed, 1 removed" in done.stdout


def test_a_source_is_removed_by_its_name(place: Path) -> None:
    run(place, "index", "docs", "--base-url", "/docs")

    unknown = run(place, "index", "--remove", "/blog")
    both = run(place, "index", "docs", "--remove", "/docs")
    removed = run(place, "index", "--remove", "/docs")

    assert "has no page of '/blog'" in unknown.stderr
    assert "its sources are '/docs/'" in unknown.stderr
    assert "--remove takes no SOURCE" in both.stderr
    assert "3 removed" in removed.stdout


@pytest.mark.parametrize(
    "command", ["serve", "index", "search", "ask", "eval", "migrate", "answering"]
)
def test_help_says_what_a_command_does(place: Path, command: str) -> None:
    shown = run(place, command, "--help")

    assert shown.returncode == 0
    assert shown.stdout.startswith(f"Usage: chatkit-server {command}")
    assert len(shown.stdout.splitlines()) > 6


def test_migrate_applies_and_then_has_nothing_to_do(place: Path) -> None:
    assert "applied 0001" in run(place, "migrate").stdout
    assert run(place, "migrate").stdout == "The database is up to date.\n"


def test_index_and_search_import_no_agent(place: Path) -> None:
    code = (
        "import sys; from chatkit_server.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('agents', 'openai', 'qdrant_client') if name in sys.modules])"
    )
    for arguments in (["index", "docs"], ["search", "bread"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=place, capture_output=True, text=True
        )
        assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_a_thread_is_in_the_history_after_a_restart(place: Path) -> None:
    run(place, "index", "docs", "--base-url", "/docs")
    port = free_port()
    thread_id, secret = "", ""
    for round_ in range(2):
        with subprocess.Popen(
            [*COMMAND, "serve", "--port", str(port)],
            cwd=place,
            stderr=subprocess.PIPE,
            text=True,
        ) as server:
            try:
                said = read_until_ready(server)
                assert f"Ready: http://localhost:{port}/chat" in said, said
                client = Client(f"http://127.0.0.1:{port}", secret or Client("").secret)
                secret = client.secret
                if round_ == 0:
                    thread_id = client.ask("How do I connect to Neon?").thread_id
                    # A second process uses the same folder meanwhile.
                    asked = run(place, "ask", "How many degrees to bake the loaf?")
                    assert "Oven" in asked.stdout
                else:
                    assert [thread["id"] for thread in client.threads()] == [thread_id]
            finally:
                server.send_signal(signal.SIGINT)
                _, rest = server.communicate(timeout=60)
        assert server.returncode == 0, rest
        assert "Traceback" not in rest


def read_until_ready(server: subprocess.Popen[str]) -> str:
    assert server.stderr is not None
    said = ""
    for line in server.stderr:
        said += line
        if "Ready: " in line:
            break
    return said


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        (["serve"], ["DATABASE_URL", "QDRANT_URL"]),
        (["doctor"], ["DATABASE_URL", "QDRANT_URL"]),
        (["migrate"], ["DATABASE_URL"]),
        (["index", "docs"], ["QDRANT_URL"]),
        (["search", "bread"], ["QDRANT_URL"]),
    ],
    ids=lambda value: value[0],
)
def test_where_nothing_may_run_embedded_each_part_that_is_not_named_is_asked_for(
    place: Path, command: list[str], missing: list[str]
) -> None:
    refused = run(place, *command, CHATKIT_EMBEDDED="0")

    said = refused.stdout + refused.stderr
    assert refused.returncode == 1
    assert re.findall(r"(\w+_URL) is not set; .*? must name a \w+", said) == missing
    assert "Traceback" not in said
    assert not list(place.glob(".chatkit/*"))


def test_two_workers_serve_one_database(place: Path) -> None:
    run(place, "index", "docs", "--base-url", "/docs")
    port = free_port()
    server = subprocess.Popen(
        [*COMMAND, "serve", "--port", str(port), "--workers", "2"],
        cwd=place,
        stderr=subprocess.DEVNULL,
    )
    try:
        client = Client(f"http://127.0.0.1:{port}")
        pids: set[int] = set()
        deadline = time.monotonic() + 120
        while len(pids) < 2 and time.monotonic() < deadline:
            try:
                pids.add(httpx.get(f"{client.url}/healthz").json()["pid"])
            except httpx.TransportError:
                continue
        assert len(pids) == 2
        thread_id = client.ask("How do I connect to Neon?").thread_id
        for _ in range(6):
            assert client.threads()[0]["id"] == thread_id
    finally:
        server.terminate()
        assert server.wait(60) is not None
