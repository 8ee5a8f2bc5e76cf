"""Two users must not see, change or even notice each other's threads, through any operation."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from chatkit.types import NonStreamingReq, StreamingReq

from chatkit_server.protocol import TYPES
from tests.fixtures.app import Client, StartServer, message

# For every request type that names a thread: what a stranger would send.
INTRUSIONS: dict[str, dict[str, Any]] = {
    "threads.get_by_id": {},
    "threads.update": {"title": "mine now"},
    "threads.delete": {},
    "items.list": {},
    "items.feedback": {"item_ids": ["ANSWER"], "kind": "negative"},
    "threads.add_user_message": {"input": message("hello?")},
    "threads.retry_after_item": {"item_id": "QUESTION"},
    "threads.add_client_tool_output": {"result": 1},
    "threads.add_structured_input": {"item_id": "QUESTION", "input": {"answers": {}}},
    "threads.custom_action": {"item_id": "ANSWER", "action": {"type": "x", "payload": {}}},
    "threads.sync_custom_action": {"item_id": "ANSWER", "action": {"type": "x", "payload": {}}},
}
# These name no thread.
OTHERS = {
    "threads.create",
    "threads.list",
    "attachments.create",
    "attachments.delete",
    "input.transcribe",
}


def test_every_request_type_is_looked_at() -> None:
    assert INTRUSIONS.keys() | OTHERS == set(TYPES)
    assert len(TYPES) == 16
    assert StreamingReq
    assert NonStreamingReq


@pytest.mark.parametrize("kind", INTRUSIONS)
def test_a_thread_of_another_user_does_not_exist(ada: Client, bob: Client, kind: str) -> None:
    thread_id = ada.ask("How do I connect to Neon?").thread_id
    before = ada.items(thread_id)
    ids = {"QUESTION": before[0]["id"], "ANSWER": before[1]["id"]}
    text = json.dumps(INTRUSIONS[kind])
    for name, item_id in ids.items():
        text = text.replace(name, item_id)

    theirs = bob.post(kind, thread_id=thread_id, **json.loads(text))
    nothing = bob.post(kind, thread_id="thr_never_was", **json.loads(text))

    # Actions are not configured here, which is said before anything is looked up.
    assert theirs.status_code in ((404, 501) if "action" in kind else (404,))
    assert (theirs.status_code, theirs.text) == (nothing.status_code, nothing.text)
    assert ada.items(thread_id) == before
    assert ada.threads()[0]["title"] == "How do I connect to Neon?"
    assert bob.threads() == []


def test_a_cursor_of_another_user_is_unknown(ada: Client, bob: Client) -> None:
    thread_id = ada.ask("How do I connect to Neon?").thread_id
    bobs = bob.ask("At what temperature do I bake the loaf?").thread_id
    item_id = ada.items(thread_id)[0]["id"]

    assert bob.post("threads.list", after=thread_id).status_code == 404
    assert bob.post("items.list", thread_id=bobs, after=item_id).status_code == 404


def test_items_of_ones_own_thread_do_not_open_items_of_others(ada: Client, bob: Client) -> None:
    theirs = ada.items(ada.ask("How do I connect to Neon?").thread_id)
    mine = bob.ask("At what temperature do I bake the loaf?").thread_id

    for kind, params in (
        ("threads.retry_after_item", {"item_id": theirs[0]["id"]}),
        ("items.feedback", {"item_ids": [theirs[1]["id"]], "kind": "positive"}),
    ):
        assert bob.post(kind, thread_id=mine, **params).status_code == 404


def test_the_same_secret_finds_the_same_threads_on_any_server(start_server: StartServer) -> None:
    with start_server() as url:
        first = Client(url)
        thread_id = first.ask("How do I connect to Neon?").thread_id
    with start_server() as url:
        again = Client(url, first.secret)
        assert [thread["id"] for thread in again.threads()] == [thread_id]
        assert Client(url).threads() == []


class Tokens:
    """An issuer that signs with a shared secret."""

    secret = "s" * 40
    issuer = "https://id.example"
    settings = {"jwt_secret": secret, "jwt_issuer": issuer, "jwt_audience": "docs"}  # noqa: RUF012

    def make(self, **claims: Any) -> str:
        base = {"iss": self.issuer, "sub": "ada", "aud": "docs", "exp": 4_000_000_000}
        kept = {name: value for name, value in {**base, **claims}.items() if value is not None}
        return jwt.encode(kept, self.secret, algorithm="HS256")


def authorized(client: Client, token: str) -> Any:
    body = {"type": "threads.list", "params": {}}
    return client.send(body, headers={"Authorization": f"Bearer {token}", "X-Session-Id": ""})


def test_a_token_is_its_subject(start_server: StartServer) -> None:
    tokens = Tokens()
    with start_server(**tokens.settings) as url:
        client = Client(url)
        assert authorized(client, tokens.make()).status_code == 200
        # Visitors are not welcome beside tokens unless they are asked in.
        assert client.post("threads.list").status_code == 401
    with start_server(**tokens.settings, allow_anonymous=True) as url:
        assert Client(url).post("threads.list").status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": None},
        {"iss": "https://evil.example"},
        {"aud": "other"},
        {"sub": None},
    ],
)
def test_a_wrong_token_is_401(start_server: StartServer, claims: dict[str, Any]) -> None:
    tokens = Tokens()
    with start_server(**tokens.settings, allow_anonymous=True) as url:
        response = authorized(Client(url), tokens.make(**claims))

    assert response.status_code == 401


def test_an_unsigned_or_foreign_token_is_401(start_server: StartServer) -> None:
    claims = {"iss": Tokens.issuer, "sub": "ada", "aud": "docs", "exp": 4_000_000_000}
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    with start_server(**Tokens.settings) as url:
        for token in (
            f"{header}.{payload}.",
            jwt.encode(claims, "x" * 40, algorithm="HS256"),
            "not.a.token",
        ):
            assert authorized(Client(url), token).status_code == 401
