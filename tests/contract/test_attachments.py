"""Attachments: announced, uploaded, sent, seen by their owner only, gone with their thread."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import pytest

from tests.fixtures.app import Client, StartServer, message
from tests.fixtures.files import (
    GIF,
    JPEG,
    LOG,
    PNG,
    SECRET,
    WEBP,
    announce,
    ask_about,
    download,
    put,
    upload,
    upload_directly,
)


@pytest.fixture
def url(start_server: StartServer, file_settings: dict[str, Any]) -> Iterator[str]:
    with start_server(**file_settings, max_attachment_bytes=2_000_000) as url:
        yield url


@pytest.fixture
def folder_url(start_server: StartServer, files_dir: Path) -> Iterator[str]:
    with start_server(
        attachments=str(files_dir), secret=SECRET, max_attachment_bytes=2_000_000
    ) as url:
        yield url


def refusal(response: httpx.Response) -> tuple[int, str]:
    error = response.json()["error"]
    assert set(error) == {"code", "message"}
    assert error["message"].endswith(".")
    return response.status_code, error["code"]


def test_an_announced_file_is_uploaded_sent_and_shown(url: str) -> None:
    ada = Client(url)
    announced = announce(ada, PNG)
    assert announced["upload_descriptor"]["method"] == "PUT"
    assert announced["upload_descriptor"]["url"].startswith(f"{url}/chatkit/attachments/atc_")
    assert (announced["type"], announced["name"]) == ("image", "a.png")
    assert "metadata" not in announced

    uploaded = put(announced, PNG)
    assert uploaded.status_code == 200
    assert "upload_descriptor" not in uploaded.json()
    reply = ask_about(ada, "What is this about Neon?", announced["id"])
    [item, _] = ada.items(reply.thread_id)
    thread = ada.post("threads.get_by_id", thread_id=reply.thread_id).json()

    assert reply.error is None
    said = reply.of("thread.item.done")[0]["item"]
    for shown in (said, item, thread["items"]["data"][0]):
        [attachment] = shown["attachments"]
        assert attachment["id"] == announced["id"]
        assert attachment["thread_id"] == reply.thread_id
        preview = httpx.get(attachment["preview_url"])
        assert (preview.status_code, preview.content) == (200, PNG)
        assert preview.headers["content-type"] == "image/png"
        assert preview.headers["content-disposition"].startswith("inline")
        assert preview.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in preview.headers["content-security-policy"]
        assert preview.headers["cross-origin-resource-policy"] == "cross-origin"


def test_a_file_is_uploaded_directly(url: str) -> None:
    ada = Client(url)
    response = upload_directly(ada, LOG.encode(), "dir/öl <b>.log")
    attachment = response.json()

    assert response.status_code == 200
    assert attachment["type"] == "file"
    assert attachment["name"] == "öl <b>.log"
    assert attachment["mime_type"] == "text/plain"
    assert set(attachment) == {"id", "type", "name", "mime_type"}
    assert ask_about(ada, "Why on Neon?", attachment["id"]).error is None
    found = download(ada, attachment["id"])
    assert found.text == LOG
    assert found.headers["content-type"] == "text/plain; charset=utf-8"
    assert (
        found.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%B6l%20%3Cb%3E.log"
    )
    assert found.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("way", ["put", "post", "form"])
def test_all_ways_to_upload_are_taken(folder_url: str, way: str) -> None:
    ada = Client(folder_url)
    where = announce(ada, PNG)["upload_descriptor"]["url"]

    if way == "form":
        response = httpx.post(where, data={"x": "y"}, files={"file": ("b.png", PNG, "text/html")})
    else:
        response = httpx.request(way.upper(), where, content=PNG, headers={"Content-Type": "a/b"})

    assert response.status_code == 200, response.text
    assert response.json()["mime_type"] == "image/png"
    assert response.json()["name"] == "a.png"
    assert httpx.get(response.json()["preview_url"]).content == PNG


@pytest.mark.parametrize(
    ("content", "claimed", "found"),
    [
        (PNG, "text/plain", "image/png"),
        (JPEG, "image/png", "image/jpeg"),
        (GIF, "application/octet-stream", "image/gif"),
        (WEBP, "", "image/webp"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", "text/plain"),
        (b"<script>alert(1)</script>", "image/png", "text/plain"),
        ("größer ".encode() * 50_000, "application/x-yaml", "text/plain"),
    ],
)
def test_a_file_is_what_its_content_is(
    folder_url: str, content: bytes, claimed: str, found: str
) -> None:
    ada = Client(folder_url)
    response = put(announce(ada, content, "a.x", claimed), content)
    served = download(ada, response.json()["id"])

    assert response.json()["mime_type"] == found
    assert response.json()["type"] == ("file" if found == "text/plain" else "image")
    assert served.content == content
    assert served.headers["content-type"].split(";")[0] == found
    assert served.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7\x93\x8c\x8b\x9e",
        b"PK\x03\x04\x14\x00",
        "UTF-16 text".encode("utf-16"),
        b"cut \xc3",
        b"text, and then\0",
        "größer".encode("latin-1"),
        b"fine for long" * 20_000 + b"\xff",
    ],
)
def test_other_files_are_refused_and_leave_nothing(
    folder_url: str, files_dir: Path, content: bytes
) -> None:
    ada = Client(folder_url)
    announced = announce(ada, content, "a.txt", "text/plain")

    assert refusal(put(announced, content)) == (415, "unsupported_media_type")
    assert refusal(upload_directly(ada, content, "a.txt")) == (415, "unsupported_media_type")
    assert list(files_dir.iterdir()) == []
    # It may be tried again.
    assert put(announced, b"text").status_code == 200


def test_what_cannot_be_right_is_refused_when_announced(folder_url: str) -> None:
    ada = Client(folder_url)
    for params, expected in (
        ({"name": "a", "size": 0, "mime_type": "image/png"}, (400, "invalid_request")),
        ({"name": "a", "size": -1, "mime_type": "image/png"}, (400, "invalid_request")),
        ({"name": "a", "size": 2_000_001, "mime_type": "image/png"}, (413, "too_large")),
        ({"name": "a", "size": 10**30, "mime_type": "image/png"}, (413, "too_large")),
        ({"name": "a", "size": 1, "mime_type": "video/mp4"}, (415, "unsupported_media_type")),
        ({"name": "a", "size": 1, "mime_type": "image/tiff"}, (415, "unsupported_media_type")),
    ):
        assert refusal(ada.post("attachments.create", **params)) == expected, params
    odd = ada.post("attachments.create", name="../\0\n\u202e/", size=1, mime_type="\0").json()
    assert odd["name"] == "file"


def test_types_can_be_narrowed(start_server: StartServer, files_dir: Path) -> None:
    with start_server(
        attachments=str(files_dir), secret=SECRET, attachment_types=("text/plain",)
    ) as url:
        ada = Client(url)
        image = ada.post("attachments.create", name="a.png", size=1, mime_type="image/png")
        assert refusal(image) == (415, "unsupported_media_type")
        assert refusal(upload_directly(ada, PNG)) == (415, "unsupported_media_type")
        assert upload_directly(ada, b"text").status_code == 200


@pytest.mark.parametrize("form", [False, True])
def test_an_upload_that_is_too_large_is_cut_off(folder_url: str, form: bool) -> None:
    ada = Client(folder_url)
    where = announce(ada, b"x")["upload_descriptor"]["url"]
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        if form:
            yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        while sent < 200_000_000:
            sent += 50_000
            yield b"x" * 50_000

    headers = {"Content-Type": "multipart/form-data; boundary=b"} if form else {}
    try:
        response = httpx.put(where, content=chunks(), headers=headers, timeout=30)
    except httpx.HTTPError:
        pass  # Still sending, the client may not get to read the refusal.
    else:
        assert refusal(response) == (413, "too_large")
    assert sent < 100_000_000
    # With its length said, nothing of it is read.
    assert refusal(httpx.put(where, content=b"x" * 2_070_000)) == (413, "too_large")
    assert refusal(httpx.put(where, content=b"")) == (400, "invalid_request")
    assert httpx.put(where, content=b"x" * 2_000_000).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nothing of a form",
        b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\ncut off',
        b'--b\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\nx\r\n'
        b'--b\r\nContent-Disposition: form-data; name="b"; filename="b"\r\n\r\nx\r\n--b--\r\n',
    ],
)
@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=b"])
def test_a_broken_form_is_refused(folder_url: str, body: bytes, kind: str) -> None:
    headers = {"Content-Type": kind, "X-Session-Id": Client(folder_url).secret}
    direct = httpx.post(f"{folder_url}/chatkit/attachments", content=body, headers=headers)

    assert refusal(direct) == (400, "invalid_request")


def test_an_address_is_good_for_one_file_one_purpose_and_some_time(folder_url: str) -> None:
    ada = Client(folder_url)
    announced, other = announce(ada, PNG), announce(ada, PNG)
    address = urlsplit(announced["upload_descriptor"]["url"])
    claims = jwt.decode(address.query[6:], options={"verify_signature": False})

    def forged(secret: str = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
        token = jwt.encode({**claims, **changes}, secret, algorithm=algorithm)
        return str(address._replace(query=f"token={token}").geturl())

    wrong = [
        address._replace(query="").geturl(),
        address._replace(query="token=x").geturl(),
        address._replace(path=urlsplit(other["upload_descriptor"]["url"]).path).geturl(),
        forged(exp=int(time.time()) - 1),
        forged(secret="another-secret-that-is-long-enough!!"),
        forged(secret="", algorithm="none"),
        forged(aud="chatkit-preview"),
        forged(att=other["id"]),
        forged(sub=None),
        forged(exp=None),
        announced["preview_url"],
    ]
    for url in wrong:
        assert refusal(httpx.put(url, content=PNG)) == (401, "unauthorized"), url
    assert refusal(httpx.put(forged(sub="anon_0"), content=PNG)) == (404, "not_found")

    assert httpx.put(address.geturl(), content=PNG).status_code == 200
    assert refusal(httpx.put(address.geturl(), content=GIF)) == (409, "already_uploaded")
    # The address of the upload shows nothing.
    assert refusal(httpx.get(address.geturl())) == (401, "unauthorized")
    assert httpx.get(announced["preview_url"]).content == PNG
    preview = urlsplit(announced["preview_url"])
    shown = jwt.decode(preview.query[6:], options={"verify_signature": False})
    past = jwt.encode({**shown, "exp": int(time.time()) - 1}, SECRET, algorithm="HS256")
    assert refusal(httpx.get(preview._replace(query=f"token={past}").geturl())) == (
        401,
        "unauthorized",
    )


def test_what_is_somebody_elses_is_not_there(url: str) -> None:
    people = Client(url), Client(url)
    ids = [upload(client, PNG) for client in people]
    pending = [announce(client, PNG)["id"] for client in people]

    for client, theirs, announced in zip(people, reversed(ids), reversed(pending), strict=True):
        for attachment_id in (theirs, announced, "atc_never_was", "%00"):
            assert refusal(download(client, attachment_id)) == (404, "not_found")
            sent = message("Neon?", attachments=[attachment_id])
            assert refusal(client.post("threads.create", input=sent)) == (404, "not_found")
            gone = client.post("attachments.delete", attachment_id=attachment_id)
            assert refusal(gone) == (404, "not_found")
        assert client.threads() == []
    anonymous = httpx.get(f"{url}/chatkit/attachments/{ids[0]}")
    assert refusal(anonymous) == (401, "unauthorized")
    nobody = httpx.post(f"{url}/chatkit/attachments", files={"file": ("a", b"x")})
    assert refusal(nobody) == (401, "unauthorized")
    for client, mine in zip(people, ids, strict=True):
        assert download(client, mine).content == PNG
        assert ask_about(client, "What is Neon?", mine).error is None


def test_a_message_is_refused_before_anything_is_stored(folder_url: str) -> None:
    ada = Client(folder_url)
    ready = upload(ada, PNG)
    pending = announce(ada, PNG)["id"]

    for ids, expected in (
        ([ready, pending], (409, "not_uploaded")),
        ([ready, "atc_unknown"], (404, "not_found")),
        ([ready, "\0"], (404, "not_found")),
        ([ready] * 5, (400, "invalid_request")),
    ):
        sent = message("Neon?", attachments=ids)
        assert refusal(ada.post("threads.create", input=sent)) == expected, ids
    assert ada.threads() == []

    thread_id = ask_about(ada, "What is Neon?", ready, ready).thread_id
    assert len(ada.items(thread_id)[0]["attachments"]) == 1
    elsewhere = message("And this?", attachments=[ready])
    assert refusal(ada.post("threads.create", input=elsewhere)) == (409, "already_sent")
    assert len(ada.threads()) == 1
    # In its own thread it can be sent again.
    assert ask_about(ada, "And this?", ready, thread_id=thread_id).error is None


def test_a_file_alone_is_a_message(folder_url: str) -> None:
    ada = Client(folder_url)
    reply = ask_about(ada, "", upload(ada, PNG))

    assert reply.error is None
    assert refusal(ada.post("threads.create", input=message(""))) == (400, "invalid_request")


def test_files_that_wait_are_counted(folder_url: str) -> None:
    ada, bob = Client(folder_url), Client(folder_url)
    ids = [upload_directly(ada, b"x").json()["id"] for _ in range(20)]

    assert refusal(upload_directly(ada, b"x")) == (409, "too_many")
    announced = ada.post("attachments.create", name="a", size=1, mime_type="text/plain")
    assert refusal(announced) == (409, "too_many")
    assert upload_directly(bob, b"x").status_code == 200
    assert ada.post("attachments.delete", attachment_id=ids[0]).status_code == 200
    assert upload_directly(ada, b"x").status_code == 200


def test_a_removed_file_is_gone(url: str) -> None:
    ada = Client(url)
    announced = announce(ada, PNG)
    put(announced, PNG)
    thread_id = ask_about(ada, "What is Neon?", announced["id"]).thread_id

    assert ada.post("attachments.delete", attachment_id=announced["id"]).json() == {}

    assert refusal(download(ada, announced["id"])) == (404, "not_found")
    assert refusal(httpx.get(announced["preview_url"])) == (404, "not_found")
    again = ada.post("attachments.delete", attachment_id=announced["id"])
    assert refusal(again) == (404, "not_found")
    assert ask_about(ada, "And what does it cost?", thread_id=thread_id).error is None


def test_with_a_thread_its_files_go(folder_url: str, files_dir: Path) -> None:
    ada = Client(folder_url)
    sent, kept = upload(ada, PNG), upload(ada, GIF)
    thread_id = ask_about(ada, "What is Neon?", sent).thread_id
    assert {path.name for path in files_dir.iterdir()} == {sent, kept}

    assert ada.post("threads.delete", thread_id=thread_id).status_code == 200

    assert [path.name for path in files_dir.iterdir()] == [kept]
    assert refusal(download(ada, sent)) == (404, "not_found")
    assert download(ada, kept).content == GIF


def test_files_are_their_owners_alone_on_disk(folder_url: str, files_dir: Path) -> None:
    attachment_id = upload(Client(folder_url), PNG, name="../../escape.png")

    assert [path.name for path in files_dir.iterdir()] == [attachment_id]
    assert (files_dir / attachment_id).stat().st_mode & 0o777 == 0o600


def test_a_page_of_another_origin_may_upload(start_server: StartServer, files_dir: Path) -> None:
    with start_server(
        attachments=str(files_dir), secret=SECRET, allowed_origins=("https://docs.example",)
    ) as url:
        announced = announce(Client(url), PNG)
        where = announced["upload_descriptor"]["url"]
        origin = {"Origin": "https://docs.example"}
        preflight = httpx.options(
            where,
            headers={
                **origin,
                "Access-Control-Request-Method": "PUT",
                "Access-Control-Request-Headers": "content-type",
            },
        )
        uploaded = put(announced, PNG, **origin)
        refused = put(announced, PNG, **origin)

    assert preflight.status_code == 200
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    for response in (preflight, uploaded, refused):
        assert response.headers["access-control-allow-origin"] == "https://docs.example"
    assert refused.status_code == 409


def test_uploads_count_like_other_requests(start_server: StartServer, files_dir: Path) -> None:
    with start_server(attachments=str(files_dir), secret=SECRET, visitor_requests="5/hour") as url:
        ada, bob = Client(url), Client(url)
        announced = announce(ada, PNG)
        statuses = [put(announced, b"\0").status_code for _ in range(4)]
        refused = put(announced, PNG)

        assert statuses == [415] * 4
        assert refusal(refused) == (429, "rate_limited")
        assert int(refused.headers["retry-after"]) > 0
        assert refusal(httpx.get(announced["preview_url"])) == (429, "rate_limited")
        assert upload_directly(bob, PNG).status_code == 200


def test_behind_a_proxy_addresses_lead_to_where_browsers_are(
    start_server: StartServer, files_dir: Path
) -> None:
    with start_server(
        attachments=str(files_dir), secret=SECRET, public_url="https://chat.example/base"
    ) as url:
        announced = announce(Client(url), PNG)

    where = announced["upload_descriptor"]["url"]
    assert where.startswith(f"https://chat.example/base/chatkit/attachments/{announced['id']}?")
    assert announced["preview_url"].startswith("https://chat.example/base/chatkit/attachments/")


def test_a_host_that_is_none_is_refused(folder_url: str) -> None:
    ada = Client(folder_url)
    body = {"name": "a.png", "size": 1, "mime_type": "image/png"}
    for host in ("[::", "a b", "a/b?c#d"):
        response = ada.send({"type": "attachments.create", "params": body}, headers={"Host": host})
        assert response.status_code in (200, 400), (host, response.text)
        listed = ada.send({"type": "threads.list", "params": {}}, headers={"Host": host})
        assert listed.status_code in (200, 400)


def test_storage_that_is_away_is_503_and_can_be_tried_again(
    start_server: StartServer, storage: Any, files_dir: Path
) -> None:
    away = storage.settings(secret=SECRET, aws_endpoint_url="http://127.0.0.1:1")
    with start_server(**away) as url:
        ada = Client(url)
        announced = announce(ada, PNG)
        assert refusal(put(announced, PNG)) == (503, "unavailable")
        assert refusal(put(announced, PNG)) == (503, "unavailable")


def test_without_a_place_nothing_is_taken(ada: Client) -> None:
    url = f"{ada.url}/chatkit/attachments"
    headers = {"X-Session-Id": ada.secret}

    assert refusal(upload_directly(ada, PNG)) == (501, "not_configured")
    assert refusal(httpx.put(f"{url}/atc_1?token=x", content=PNG)) == (501, "not_configured")
    assert refusal(httpx.get(f"{url}/atc_1", headers=headers)) == (501, "not_configured")
