"""What somebody tries who speaks to the server without a browser."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.fixtures.app import Client, StartServer
from tests.fixtures.files import SECRET, download
from tests.fixtures.flights import Flights

VISITOR = {"X-Session-Id": "s" * 32}
LIST = b'{"type": "threads.list", "params": {}}'


def send(url: str, request: bytes) -> bytes:
    """All that is answered to these bytes until the server closes the connection."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60) as sent:
        sent.sendall(request)
        return b"".join(iter(lambda: sent.recv(65_536), b""))


def get(url: str, target: str) -> bytes:
    return send(url, f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    (site / "docs").mkdir(parents=True)
    (site / "index.html").write_text("<h1>Home</h1>")
    (tmp_path / "outside.txt").write_text("hunter2")
    (tmp_path / "site-of-others").mkdir()
    (tmp_path / "site-of-others/outside.txt").write_text("hunter2")
    (site / "link.txt").symlink_to(tmp_path / "outside.txt")
    return tmp_path


@pytest.fixture
def url(start_server: StartServer, folder: Path) -> Iterator[str]:
    files = {"attachments": str(folder / "files"), "secret": SECRET}
    with start_server(site_dir=folder / "site", **files) as url:
        yield url


@pytest.mark.parametrize(
    "target",
    [
        "/../outside.txt",
        "/..%2foutside.txt",
        "/%2e%2e/outside.txt",
        "/%2e%2e%2foutside.txt",
        "/..%5coutside.txt",
        "/docs/../../outside.txt",
        "/../site-of-others/outside.txt",
        "/..%2fsite-of-others%2foutside.txt",
        "/link.txt",
        "/link",
        "//{folder}/outside.txt",
        "/%2f{folder}/outside.txt",
        "/index.html%00.txt",
        "/chat/static/../settings.py",
        "/chat/static/..%2f..%2fpyproject.toml",
        "/chat/static/%2f{folder}/outside.txt",
        "/chatkit/attachments/..%2f..%2foutside.txt",
        "/chatkit/attachments/%2e%2e",
    ],
)
def test_nothing_outside_of_its_folder_is_served(url: str, folder: Path, target: str) -> None:
    answer = get(url, target.replace("{folder}", str(folder).lstrip("/")))

    assert re.match(rb"HTTP/1.1 (404|401) ", answer), answer[:200]
    assert b"hunter2" not in answer


def test_a_request_with_two_lengths_is_refused_and_ends_the_connection(url: str) -> None:
    """Else the second request is answered to whom a proxy sends the next answer."""
    smuggled = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = send(
        url,
        b"POST /chatkit HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
    )

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: +5\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Host: y\r\n",
        b"X: a\0b\r\n",
        b"A Name: x\r\n",
        b"X: " + b"a" * 2_000_000 + b"\r\n",
    ],
)
def test_requests_that_can_be_read_in_two_ways_or_without_end_are_refused(
    url: str, head: bytes
) -> None:
    try:
        answer = send(url, b"POST /chatkit HTTP/1.1\r\nHost: x\r\n" + head + b"\r\nabcde")
    except (ConnectionResetError, BrokenPipeError):
        # Closed while the rest was still coming.
        answer = b"HTTP/1.1 400 "

    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80@docs.example", "x/../y"])
def test_no_page_and_no_redirect_repeats_the_host(url: str, host: str) -> None:
    for path in ("/", "/docs", "/chat", "/chat/", "/chat/static", "//evil.example/", "/nothing"):
        answer = httpx.get(f"{url}{path}", headers={"Host": host})

        assert "location" not in answer.headers
        assert host not in answer.text + str(answer.headers)


@pytest.mark.parametrize(
    "name", ['a"\r\nX-Evil: y.txt', "a\nb.txt", "..\\..\\a.txt", "../../a.txt", "\u202egpj.txt"]
)
def test_a_files_name_neither_ends_its_header_nor_leads_anywhere(url: str, name: str) -> None:
    ada = Client(url)
    announced = ada.post("attachments.create", name=name, size=5, mime_type="text/plain").json()
    httpx.put(announced["upload_descriptor"]["url"], content=b"hello").raise_for_status()
    got = download(ada, announced["id"])

    assert "x-evil" not in got.headers
    assert re.fullmatch(
        r"attachment; filename\*=UTF-8''[A-Za-z0-9._~%-]+", got.headers["content-disposition"]
    )
    assert not re.search(r"[/\\\r\n\u202e]", announced["name"])


@pytest.mark.parametrize("format_", ["text", "json"])
def test_a_line_of_the_log_is_one_request(
    start_server: StartServer, capfd: pytest.CaptureFixture[str], format_: str
) -> None:
    with start_server(log_format=format_, log_level="debug") as url:
        for target in ("/chatkit/turns/a%0d%0aFORGED%1b[31m", "/x%0aFORGED", "/x?y=%0aFORGED"):
            httpx.get(f"{url}{target}", headers=VISITOR)
        body = {"type": "threads.get_by_id\nFORGED", "params": {"thread_id": "a\r\nFORGED"}}
        Client(url).send(body)
        Client(url).send({**body, "type": "threads.get_by_id"})
    said = capfd.readouterr()

    lines = (said.out + said.err).splitlines()
    assert not [line for line in lines if line.startswith("FORGED") or "\x1b[31m" in line]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"type": "threads.list", "params": {}, "metadata": {"a": ' + b"[" * 5000 + b"]" * 5000,
        b'{"type": "threads.list", "params": {"limit": ' + b"9" * 5000 + b"}}",
        b'{"type": "threads.list", "params": {"limit": NaN}}',
        b'{"type": "threads.list", "params": {"limit": "\\ud800"}}',
        LIST.decode().encode("utf-16"),
        b"\xef\xbb\xbf" + LIST,
    ],
)
def test_json_that_is_none_is_refused_and_costs_nothing(url: str, body: bytes) -> None:
    headers = {**VISITOR, "Content-Type": "application/json"}
    refused = httpx.post(f"{url}/chatkit", content=body, headers=headers, timeout=60)
    after = httpx.post(f"{url}/chatkit", content=LIST, headers=headers)

    assert refused.status_code == 400
    assert json.loads(refused.text)["error"]["code"] == "invalid_request"
    assert after.status_code == 200


async def test_who_asks_how_the_server_is_does_not_keep_the_database_busy(
    start_server: StartServer, database_url: str
) -> None:
    async with Flights.to(database_url, delay=0.2) as flights:
        manager = start_server(database_url=flights.dsn)
        url = await asyncio.to_thread(manager.__enter__)
        try:
            async with httpx.AsyncClient() as http:
                await http.get(f"{url}/readyz")
                flights.reset()
                answers = await asyncio.gather(*(http.get(f"{url}/readyz") for _ in range(40)))
        finally:
            await asyncio.to_thread(manager.__exit__, None, None, None)

    assert {answer.status_code for answer in answers} == {200}
    # One after the other, as long as it takes them to come.
    assert flights.count < 20
