"""What a response is not for: other origins, frames, caches; and there are no cookies at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from chatkit_server.headers import CLOSED
from tests.fixtures.app import Client, StartServer, message
from tests.fixtures.files import PNG, SECRET, announce, download, put, upload
from tests.fixtures.own_server import StartOwn

DOCS = "https://docs.example"
VISITOR = {"X-Session-Id": "s" * 32}
LIST: dict[str, Any] = {"type": "threads.list", "params": {}}
ASK = {"type": "threads.create", "params": {"input": message("How do I connect to Neon?")}}

# With an answer of each kind: good, refused, streamed, unknown.
REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/chatkit", {"json": LIST, "headers": VISITOR}),
    ("POST", "/chatkit", {"json": ASK, "headers": VISITOR}),
    ("POST", "/chatkit", {"json": LIST}),
    ("POST", "/chatkit", {"content": "{", "headers": VISITOR}),
    ("GET", "/chatkit", {}),
    ("OPTIONS", "/chatkit", {"headers": {"Origin": DOCS, "Access-Control-Request-Method": "POST"}}),
    ("POST", "/chatkit/stop", {"json": {"thread_id": "thr_1"}, "headers": VISITOR}),
    ("GET", "/chatkit/turns/thr_1", {"headers": VISITOR}),
    ("POST", "/chatkit/attachments", {"files": {"file": ("a.png", PNG)}, "headers": VISITOR}),
    ("PUT", "/chatkit/attachments/atc_1?token=x", {"content": b"x"}),
    ("GET", "/chatkit/attachments/atc_1", {"headers": VISITOR}),
    ("GET", "/chatkit/me", {"headers": VISITOR}),
    ("DELETE", "/chatkit/me", {}),
    ("GET", "/healthz", {}),
    ("GET", "/readyz", {}),
    ("GET", "/nothing/here", {}),
    ("GET", "/chat/static/nothing", {}),
]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<h1>Home</h1>")
    (folder / "404.html").write_text("<h1>Nothing here</h1>")
    (folder / "assets/main.abc123.js").write_text("1")
    return folder


@pytest.fixture
def url(start_server: StartServer, tmp_path: Path) -> Iterator[str]:
    files = {"attachments": str(tmp_path / "files"), "secret": SECRET}
    with start_server(allowed_origins=(DOCS,), **files) as url:
        yield url


def closed(response: httpx.Response) -> dict[str, str | None]:
    return {name: response.headers.get(name) for name in CLOSED}


@pytest.mark.parametrize(("method", "path", "options"), REQUESTS)
def test_what_scripts_ask_for_is_for_nobody_else(
    url: str, method: str, path: str, options: dict[str, Any]
) -> None:
    response = httpx.request(method, f"{url}{path}", timeout=30, **options)
    expected = dict(CLOSED)
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        expected["Cache-Control"] = "no-store, no-transform"

    assert closed(response) == expected
    assert "set-cookie" not in response.headers


def test_a_router_in_an_app_of_ones_own_is_as_closed(start_own: StartOwn) -> None:
    with start_own() as url:
        good = httpx.post(f"{url}/chatkit", json=LIST, headers=VISITOR)
        refused = httpx.post(f"{url}/chatkit", json=LIST)

    assert (good.status_code, refused.status_code) == (200, 401)
    assert closed(good) == closed(refused) == CLOSED


def test_the_chat_page_is_framed_by_its_own_origin_and_held_by_no_opener(url: str) -> None:
    page = httpx.get(f"{url}/chat")
    headers = page.headers

    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-cache"


def test_scripts_may_be_loaded_anywhere_and_are_nothing_to_look_at(url: str) -> None:
    script = httpx.get(f"{url}/chat/static/chatkit-element.js")
    raw_page = httpx.get(f"{url}/chat/static/chat.html")

    for response in (script, raw_page):
        assert response.status_code == 200
        assert response.headers["cross-origin-resource-policy"] == "cross-origin"
        assert response.headers["content-security-policy"] == CLOSED["Content-Security-Policy"]
        assert response.headers["x-content-type-options"] == "nosniff"


def test_a_site_decides_what_it_loads_and_is_framed_by_nobody_else(
    start_server: StartServer, site: Path
) -> None:
    with start_server(site_dir=site) as url:
        pages = [httpx.get(f"{url}{path}") for path in ("/", "/none", "/assets/main.abc123.js")]

    assert [page.status_code for page in pages] == [200, 404, 200]
    for page in pages:
        assert page.headers["content-security-policy"] == "frame-ancestors 'self'"
        assert page.headers["x-frame-options"] == "SAMEORIGIN"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] == "strict-origin-when-cross-origin"
        # A logo may stand in somebody's README.
        assert page.headers["cross-origin-resource-policy"] == "cross-origin"


def test_what_is_missing_is_not_kept_as_missing(start_server: StartServer, site: Path) -> None:
    """A deploy brings new names, and a cache in front may ask an old server for one."""
    with start_server(site_dir=site) as url:
        kept, missing, aside = (
            httpx.get(f"{url}/assets/{name}").headers["cache-control"]
            for name in ("main.abc123.js", "main.def456.js", "%2e%2e/index.html")
        )

    assert "immutable" in kept
    assert (missing, aside) == ("no-cache", "no-cache")


def test_a_file_is_kept_by_the_browser_under_its_signed_address_only(url: str) -> None:
    ada = Client(url)
    announced = announce(ada, PNG)
    put(announced, PNG)
    shown = httpx.get(announced["preview_url"])
    own = download(ada, announced["id"])

    assert (shown.content, own.content) == (PNG, PNG)
    assert shown.headers["cache-control"] == "private, max-age=3600"
    # Else the next user of this browser gets it from there, and nobody asks whose it is.
    assert own.headers["cache-control"] == "no-store"
    for response in (shown, own):
        policy = "default-src 'none'; frame-ancestors 'none'; sandbox"
        assert response.headers["content-security-policy"] == policy
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"


HTTPS = {"X-Forwarded-Proto": "https"}


@pytest.mark.parametrize(
    ("settings", "headers", "sent"),
    [
        ({}, HTTPS, None),
        ({"hsts": 600}, HTTPS, None),
        ({"hsts": 600, "trusted_proxies": "127.0.0.1"}, {}, None),
        ({"hsts": 600, "trusted_proxies": "127.0.0.1"}, HTTPS, "max-age=600"),
        ({"hsts": 600, "public_url": "https://chat.example"}, {}, "max-age=600"),
        ({"hsts": 0, "public_url": "https://chat.example"}, {}, "max-age=0"),
        ({"public_url": "https://chat.example"}, {}, None),
    ],
)
def test_https_alone_is_asked_for_where_it_was_configured_and_used(
    start_server: StartServer,
    settings: dict[str, Any],
    headers: Mapping[str, str],
    sent: str | None,
) -> None:
    with start_server(**settings) as url:
        responses = [httpx.get(f"{url}{path}", headers=headers) for path in ("/chat", "/healthz")]

    assert [r.headers.get("strict-transport-security") for r in responses] == [sent, sent]


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "*",
        "http://docs.example",
        "https://docs.example:8443",
        "https://docs.example.evil.example",
        "https://evil-docs.example",
        "https://sub.docs.example",
        "https://docs.example/",
        "https://docs.example, https://evil.example",
        "https://docs.example@evil.example",
        "file://",
    ],
)
def test_what_only_looks_like_a_listed_origin_may_read_nothing(url: str, origin: str) -> None:
    preflight = {"Access-Control-Request-Method": "POST", "Origin": origin}
    responses = [
        httpx.options(f"{url}/chatkit", headers=preflight),
        httpx.post(f"{url}/chatkit", json=LIST, headers={**VISITOR, "Origin": origin}),
        httpx.post(f"{url}/chatkit", json=LIST, headers={"Origin": origin}),
        httpx.get(f"{url}/readyz", headers={"Origin": origin}),
        httpx.get(f"{url}/chat", headers={"Origin": origin}),
    ]

    for response in responses:
        assert "access-control-allow-origin" not in response.headers
        assert "access-control-allow-credentials" not in response.headers


def test_what_a_listed_origin_may_read_is_kept_apart_by_caches(url: str) -> None:
    response = httpx.post(f"{url}/chatkit", json=LIST, headers={**VISITOR, "Origin": DOCS})

    assert response.headers["access-control-allow-origin"] == DOCS
    assert "access-control-allow-credentials" not in response.headers
    assert "Origin" in response.headers["vary"]


def test_without_a_list_no_other_origin_may_read_anything(start_server: StartServer) -> None:
    with start_server() as url:
        responses = [
            httpx.post(f"{url}/chatkit", json=LIST, headers={**VISITOR, "Origin": origin})
            for origin in (DOCS, "null", url)
        ]

    assert [response.status_code for response in responses] == [200] * 3
    for response in responses:
        assert not [name for name in response.headers if name.startswith("access-control-")]


def test_cookies_are_neither_set_nor_read(url: str, site: Path, start_server: StartServer) -> None:
    """A browser that sends along what it has sends nothing that counts."""
    ada = Client(url)
    upload(ada, PNG)
    with httpx.Client(base_url=url, cookies={"session": ada.secret}) as browser:
        for name in ("X-Session-Id", "session", "Authorization"):
            browser.cookies.set(name, ada.secret)
        by_cookie = browser.post("/chatkit", json=LIST)
        visits = [browser.get(path) for path in ("/chat", "/readyz", "/chat/static/chat.js")]
        visits.append(browser.post("/chatkit", json=ASK, headers=VISITOR))
    with start_server(site_dir=site) as with_site:
        visits.append(httpx.get(f"{with_site}/"))

    assert by_cookie.status_code == 401
    assert [visit.status_code for visit in visits] == [200] * 5
    assert [visit.headers.get("set-cookie") for visit in visits] == [None] * 5
