"""Bad requests get a status and a sentence: never a 500, a broken stream or a stored half."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.fixtures.app import Client, StartServer, message

LIST = {"type": "threads.list", "params": {}}


def raw(client: Client, body: bytes, **headers: str) -> httpx.Response:
    return httpx.post(
        f"{client.url}/chatkit",
        content=body,
        headers={"Content-Type": "application/json", "X-Session-Id": client.secret, **headers},
        timeout=30,
    )


def create(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "threads.create", "params": {"input": message(text, **fields)}}


def tag(**fields: Any) -> dict[str, Any]:
    return {"type": "input_tag", "id": "t", "text": "Neon", "data": {}, **fields}


def content(*parts: dict[str, Any]) -> bytes:
    body = create("")
    body["params"]["input"]["content"] = parts
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{not json", 400, "not valid JSON"),
        (b"", 400, "not valid JSON"),
        (b'{"type": "\xff\xfe"}', 400, "not valid JSON"),
        (b"[" * 5000 + b"]" * 5000, 400, ""),
        (b'"text"', 400, ""),
        (b'{"type": "threads.explode", "params": {}}', 400, "threads.create"),
        (b'{"params": {}}', 400, "`type`"),
        (b'{"type": "threads.create"}', 400, "params"),
        (b'{"type": "threads.get_by_id", "params": {}}', 400, "params.thread_id"),
        (b'{"type": "threads.get_by_id", "params": {"thread_id": ""}}', 400, "params.thread_id"),
        (b'{"type": "threads.list", "params": {"limit": -1}}', 400, "1 to 100"),
        (b'{"type": "threads.list", "params": {"limit": 0}}', 400, "1 to 100"),
        (b'{"type": "threads.list", "params": {"limit": 1000000000}}', 400, "1 to 100"),
        (b'{"type": "threads.list", "params": {"order": "up"}}', 400, "params.order"),
        (json.dumps(create("")).encode(), 400, "empty"),
        (json.dumps(create(" \n ")).encode(), 400, "empty"),
        (json.dumps(create("x" * 8001)).encode(), 413, "8,000"),
        (json.dumps(create("hi", quoted_text="x" * 8001)).encode(), 413, "8,000"),
        (json.dumps({**LIST, "metadata": {"x": "y" * 17_000}}).encode(), 413, "metadata"),
        (json.dumps({**LIST, "metadata": []}).encode(), 400, "metadata"),
        (content(tag(data={"x": "y" * 17_000})), 413, "tag"),
        (content(tag(text="x" * 8001)), 413, "8,000"),
        (content(tag(id="x" * 201)), 400, "200"),
        (content(tag(group="x" * 201)), 400, "200"),
        (content(*[tag()] * 101), 400, "100"),
        (
            b'{"type":"threads.add_client_tool_output","params":{"thread_id":"t","result":"'
            + b"y" * 70_000
            + b'"}}',
            413,
            "params.result",
        ),
        (
            b'{"type": "threads.create", "params": {"input": "' + b"x" * 300_000 + b'"}}',
            413,
            "bytes",
        ),
        (
            b'{"type":"input.transcribe","params":{"audio_base64":"?","mime_type":"a/b"}}',
            400,
            "base64",
        ),
        (
            b'{"type":"items.feedback","params":{"thread_id":"t","item_ids":[],"kind":"positive"}}',
            400,
            "item_ids",
        ),
        (
            b'{"type":"threads.custom_action","params":{"thread_id":"t","action":{"payload":1}}}',
            400,
            "action.type",
        ),
    ],
)
def test_a_wrong_request_is_refused_with_a_sentence(
    ada: Client, body: bytes, status: int, said: str
) -> None:
    response = raw(ada, body)

    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"code", "message"}
    assert said in error["message"]
    assert "x" * 20 not in error["message"]


def test_other_content_types_are_refused(ada: Client) -> None:
    response = raw(ada, json.dumps(LIST).encode(), **{"Content-Type": "text/plain"})

    assert response.status_code == 415
    assert raw(
        ada, json.dumps(LIST).encode(), **{"Content-Type": "application/json; charset=utf-8"}
    ).is_success


def test_a_body_without_a_length_is_limited_too(ada: Client) -> None:
    def chunks() -> Any:
        for _ in range(40):
            yield b"x" * 10_000

    response = httpx.post(
        f"{ada.url}/chatkit",
        content=chunks(),
        headers={"Content-Type": "application/json", "X-Session-Id": ada.secret},
    )
    assert response.status_code == 413


def test_60_megabytes_are_refused_at_once(ada: Client) -> None:
    response = raw(ada, b'{"x": "' + b"y" * 60_000_000 + b'"}')

    assert response.status_code == 413


UNKNOWN = [
    ("threads.get_by_id", {"thread_id": "thr_x"}),
    ("threads.update", {"thread_id": "thr_x", "title": "t"}),
    ("threads.delete", {"thread_id": "thr_x"}),
    ("items.list", {"thread_id": "thr_x"}),
    ("items.feedback", {"thread_id": "thr_x", "item_ids": ["m"], "kind": "positive"}),
    ("threads.add_user_message", {"thread_id": "thr_x", "input": message("hi")}),
    ("threads.retry_after_item", {"thread_id": "thr_x", "item_id": "m"}),
    ("threads.add_client_tool_output", {"thread_id": "thr_x", "result": 1}),
    (
        "threads.add_structured_input",
        {"thread_id": "thr_x", "item_id": "m", "input": {"answers": {}}},
    ),
    ("threads.create", {"input": message("hi", attachments=["atc_x"])}),
]


@pytest.mark.parametrize(("kind", "params"), UNKNOWN, ids=[kind for kind, _ in UNKNOWN])
def test_an_unknown_id_is_404(ada: Client, kind: str, params: dict[str, Any]) -> None:
    response = ada.post(kind, **params)

    assert response.status_code == 404, response.text
    assert response.json()["error"]["code"] == "not_found"
    assert ada.threads() == []


def test_what_cannot_be_done_with_an_item_is_refused_before_anything_changes(ada: Client) -> None:
    thread_id = ada.ask("How do I connect to Neon?").thread_id
    before = ada.items(thread_id)
    question, answer = before

    refused = {
        "threads.retry_after_item": ({"item_id": answer["id"]}, 400),
        "threads.add_client_tool_output": ({"result": 1}, 409),
        "threads.add_structured_input": ({"item_id": question["id"], "input": {}}, 400),
    }
    for kind, (params, status) in refused.items():
        response = ada.post(kind, thread_id=thread_id, **params)
        assert response.status_code == status, (kind, response.text)
    assert ada.post("threads.retry_after_item", thread_id=thread_id, item_id="m").status_code == 404
    assert ada.items(thread_id) == before
    # Nothing holds the thread any more.
    assert ada.ask("At what temperature do I bake the loaf?", thread_id).error is None


def test_without_an_identity_nothing_is_done(server_url: str) -> None:
    url = f"{server_url}/chatkit"

    for headers in (
        {},
        {"X-Session-Id": "short"},
        {"X-Session-Id": "ü" * 40},
        {"Authorization": "Bearer x"},
    ):
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        response = httpx.post(url, json=LIST, headers=encoded)
        assert response.status_code == 401, headers
        assert response.json()["error"]["code"] == "unauthorized"


def test_only_listed_origins_may_call_and_errors_carry_cors_headers(
    start_server: StartServer,
) -> None:
    with start_server(allowed_origins=("https://docs.example",)) as url:
        preflight = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-session-id, content-type",
        }
        good = httpx.options(
            f"{url}/chatkit", headers={"Origin": "https://docs.example", **preflight}
        )
        bad = httpx.options(
            f"{url}/chatkit", headers={"Origin": "https://evil.example", **preflight}
        )
        refused = httpx.post(
            f"{url}/chatkit", json=LIST, headers={"Origin": "https://docs.example"}
        )

    assert good.headers["access-control-allow-origin"] == "https://docs.example"
    assert "access-control-allow-origin" not in bad.headers
    assert "access-control-allow-credentials" not in good.headers
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://docs.example"


def test_other_methods_and_paths_are_refused(server_url: str) -> None:
    for path, status in (("/chatkit", 405), ("/nothing-here", 404)):
        response = httpx.get(f"{server_url}{path}")
        assert (response.status_code, response.json()["error"]["code"]) == (status, "http_error")


def test_an_unknown_field_and_null_bytes_are_taken(ada: Client) -> None:
    reply = ada.ask("How do I \x00 connect to Neon?")

    assert reply.error is None
    assert ada.items(reply.thread_id)[0]["content"][0]["text"] == "How do I \x00 connect to Neon?"


def test_the_database_away_is_503_and_the_start_is_not_stopped(start_server: StartServer) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing?connect_timeout=1"
    with start_server(database_url=nowhere) as url:
        response = Client(url).post("threads.list")
        ready = httpx.get(f"{url}/readyz")
        alive = httpx.get(f"{url}/healthz")

    assert response.status_code == 503
    assert response.headers["retry-after"]
    # It can still answer.
    assert ready.status_code == 200
    assert ready.json()["parts"] == {"database": "degraded", "search": "ok", "model": "ok"}
    assert alive.status_code == 200
