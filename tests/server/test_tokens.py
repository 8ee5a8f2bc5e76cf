"""A token is taken from its issuer, for us, in its time, and from nobody else."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from chatkit_server.errors import RequestError
from chatkit_server.identity import TokenVerifier, token_user
from chatkit_server.keyset import KeySet
from chatkit_server.testing import serve_in_thread
from tests.fixtures.app import Client, StartServer

ISSUER = "https://id.acme.example/"
SECRET = "0123456789abcdef0123456789abcdef"
RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
EC_384 = ec.generate_private_key(ec.SECP384R1())
ED = ed25519.Ed25519PrivateKey.generate()


def claims(**changes: Any) -> dict[str, Any]:
    """Good ones with changes; a time may be given by how far it is from now."""
    now = int(time.time())
    for name, value in changes.items():
        if isinstance(value, timedelta):
            changes[name] = now + int(value.total_seconds())
    # Of those that are made with the tests, the last is looked at after all others have run.
    late = now + 86_400
    values = {"iss": ISSUER, "sub": "ada", "aud": "docs", "iat": now, "exp": late, **changes}
    return {name: value for name, value in values.items() if value is not None}


def signed(**changes: Any) -> str:
    return jwt.encode(claims(**changes), SECRET, "HS256")


def by_hand(header: dict[str, Any], payload: Any, sign: Callable[[bytes], bytes]) -> str:
    """A token that no library would make."""
    parts = [json.dumps(header), payload if isinstance(payload, str) else json.dumps(payload)]
    head = b".".join(base64.urlsafe_b64encode(part.encode()).rstrip(b"=") for part in parts)
    return (head + b"." + base64.urlsafe_b64encode(sign(head)).rstrip(b"=")).decode()


def hs256(key: bytes) -> Callable[[bytes], bytes]:
    return lambda head: hmac.new(key, head, hashlib.sha256).digest()


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def jwk(key: Any, algorithm: str, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = jwt.get_algorithm_by_name(algorithm).to_jwk(
        key.public_key(), as_dict=True
    )
    made.pop("key_ops", None)
    return {**made, **fields}


def refusal(verifier: TokenVerifier, token: str) -> RequestError:
    with pytest.raises(RequestError) as raised:
        asyncio.run(verifier.verify(token))
    assert raised.value.status == 401
    # Nothing of what was sent.
    assert token[:20] not in raised.value.message or not token
    return raised.value


@pytest.fixture
def verifier() -> TokenVerifier:
    return TokenVerifier(issuer=ISSUER, audience="docs", secret=SECRET)


def test_a_good_token_names_its_user(verifier: TokenVerifier) -> None:
    assert asyncio.run(verifier.verify(signed())) == token_user(ISSUER, "ada")
    assert asyncio.run(verifier.verify(signed(aud=["web", "docs"]))) == token_user(ISSUER, "ada")


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": None},
        {"exp": "soon"},
        {"exp": 1e400},
        pytest.param({"exp": timedelta(minutes=-1)}, id="expired"),
        pytest.param({"nbf": timedelta(minutes=10)}, id="not yet valid"),
        pytest.param({"iat": timedelta(minutes=10)}, id="from the future"),
        {"iss": None},
        {"iss": "https://id.acme.example"},
        {"iss": ["https://id.acme.example/"]},
        {"sub": None},
        {"sub": ""},
        {"sub": 42},
        {"sub": ["ada"]},
        {"sub": {"$ne": ""}},
        {"aud": None},
        {"aud": "other"},
        {"aud": []},
        {"aud": ["other", 1]},
        {"aud": {"docs": True}},
    ],
    ids=str,
)
def test_a_claim_that_is_missing_or_wrong_is_refused(
    verifier: TokenVerifier, changes: dict[str, Any]
) -> None:
    payload = {name: value for name, value in claims(**changes).items() if value is not None}

    refusal(verifier, by_hand({"alg": "HS256", "typ": "JWT"}, payload, hs256(SECRET.encode())))


@pytest.mark.parametrize("late", [0, 20])
def test_clocks_may_differ_by_half_a_minute(verifier: TokenVerifier, late: int) -> None:
    late_by = timedelta(seconds=late)

    assert asyncio.run(verifier.verify(signed(exp=timedelta(seconds=1) - late_by)))
    assert asyncio.run(verifier.verify(signed(nbf=late_by, iat=late_by)))
    assert "expired" in refusal(verifier, signed(exp=timedelta(seconds=-31))).message
    refusal(verifier, signed(nbf=timedelta(seconds=45)))


@pytest.mark.parametrize(
    "token",
    [
        by_hand({"alg": "none"}, claims(), lambda _: b""),
        by_hand({"alg": "None", "typ": "JWT"}, claims(), lambda _: b""),
        by_hand({"typ": "JWT"}, claims(), hs256(SECRET.encode())),
        by_hand({"alg": ["HS256"]}, claims(), hs256(SECRET.encode())),
        by_hand({"alg": "HS256", "crit": ["x"], "x": 1}, claims(), hs256(SECRET.encode())),
        by_hand({"alg": "HS256", "b64": False}, claims(), hs256(SECRET.encode())),
        by_hand({"alg": "HS256"}, claims(), hs256(b"")),
        by_hand({"alg": "HS256"}, claims(), hs256(b"another secret of thirty-two signs")),
        by_hand({"alg": "HS256"}, "[" * 3000, hs256(SECRET.encode())),
        by_hand({"alg": "HS256"}, '{"a":' * 1200, hs256(SECRET.encode())),
        by_hand({"alg": "HS256"}, "[]", hs256(SECRET.encode())),
        by_hand({"alg": "HS256"}, "null", hs256(SECRET.encode())),
        base64.urlsafe_b64encode(b"[" * 4000).decode() + ".e30.x",
        jwt.encode(claims(), SECRET * 2, "HS512"),
        jwt.encode(claims(), SECRET * 2, "HS384"),
        jwt.encode(claims(), RSA, "RS256"),
        signed()[:-4] + "AAAA",
        signed() + "." + signed(),
        signed().rpartition(".")[0] + ".",
        "..",
        "a.b.c",
        "null",
        "",
        "\x00",
        "é" * 100,
        "a" * 9000,
    ],
    ids=range(26),
)
def test_a_forged_token_is_refused(verifier: TokenVerifier, token: str) -> None:
    refusal(verifier, token)


def test_a_token_that_is_too_long_is_refused_though_it_is_signed(verifier: TokenVerifier) -> None:
    assert asyncio.run(verifier.verify(signed(groups=["x" * 50] * 50)))
    refusal(verifier, signed(groups=["x" * 100] * 1000))


def test_without_an_audience_of_ours_a_token_for_anybody_is_for_somebody_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    verifier = TokenVerifier(issuer=ISSUER, secret=SECRET)

    assert asyncio.run(verifier.verify(signed(aud=None)))
    assert "another service" in refusal(verifier, signed(aud="docs")).message
    refusal(verifier, signed(aud="docs"))
    assert caplog.text.count("CHATKIT_JWT_AUDIENCE") == 1


# Longer than any test takes.
LONG = {"timeout": 60.0, "fresh": 600.0, "cooldown": 600.0, "retry": 600.0}


class Issuer:
    """Serves a key set, and does what a test tells it."""

    def __init__(self) -> None:
        self.keys: Any = {"keys": [jwk(RSA, "RS256", kid="one")]}
        self.answer: Response | None = None
        self.asked = 0
        self.held: threading.Event | None = None
        self.url = ""

    async def serve(self, request: Request) -> Response:
        self.asked += 1
        if self.held is not None:
            await asyncio.to_thread(self.held.wait, 120)
        return self.answer or JSONResponse(self.keys)

    def verifier(self, **times: float) -> TokenVerifier:
        keys = KeySet(self.url, **{**LONG, **times})
        return TokenVerifier(issuer=ISSUER, audience="docs", keys=keys)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    app = Starlette(routes=[Route("/keys", issuer.serve)])
    with serve_in_thread(app, graceful=1) as url:
        issuer.url = f"{url}/keys"
        yield issuer
        if issuer.held is not None:
            issuer.held.set()


def token(key: Any = RSA, algorithm: str = "RS256", kid: str | None = "one", **more: Any) -> str:
    headers = {"kid": kid} if kid is not None else {}
    return jwt.encode(claims(**more), key, algorithm, headers=headers)


@pytest.mark.parametrize(
    ("key", "algorithm", "fields"),
    [
        (RSA, "RS256", {}),
        (RSA, "RS256", {"alg": "RS256", "use": "sig"}),
        (RSA, "RS512", {}),
        (RSA, "PS256", {}),
        (EC, "ES256", {}),
        (EC_384, "ES384", {"alg": "ES384"}),
        (ED, "EdDSA", {}),
    ],
)
def test_keys_of_every_kind_verify(
    issuer: Issuer, key: Any, algorithm: str, fields: dict[str, str]
) -> None:
    issuer.keys = {"keys": [{"kty": "new"}, "no key", jwk(key, algorithm, kid="one", **fields)]}

    assert asyncio.run(issuer.verifier().verify(token(key, algorithm)))
    assert issuer.asked == 1


def test_the_only_key_verifies_tokens_that_name_none(issuer: Issuer) -> None:
    assert asyncio.run(issuer.verifier().verify(token(kid=None)))

    issuer.keys["keys"].append(jwk(OTHER_RSA, "RS256", kid="two"))
    refusal(issuer.verifier(), token(kid=None))


@pytest.mark.parametrize(
    "forged",
    [
        # The public key, which everybody has, as the secret of an HMAC.
        by_hand({"alg": "HS256", "kid": "one"}, claims(), hs256(public_pem(RSA))),
        by_hand({"alg": "none", "kid": "one"}, claims(), lambda _: b""),
        by_hand({"alg": "RS256", "kid": "one"}, claims(), lambda _: b""),
        # Signed by a key that the token brings along.
        jwt.encode(
            claims(), OTHER_RSA, "RS256", headers={"kid": "one", "jwk": jwk(OTHER_RSA, "RS256")}
        ),
        jwt.encode(claims(), OTHER_RSA, "RS256", headers={"kid": "one", "jku": "http://evil"}),
        token(EC, "ES256"),
        token(ED, "EdDSA"),
        token(OTHER_RSA),
        token(kid="../../etc/passwd"),
        by_hand({"alg": "RS256", "kid": ["one"]}, claims(), lambda _: b"x"),
        by_hand({"alg": "RS256", "kid": {"$ne": 1}}, claims(), lambda _: b"x"),
        # r = s = 0
        by_hand({"alg": "ES256", "kid": "ec"}, claims(), lambda _: bytes(64)),
        # A key for ES384 with a token for ES256, and one that only verifies RS256.
        by_hand({"alg": "ES256", "kid": "ec384"}, claims(), lambda _: bytes(64)),
        token(RSA, "PS256", kid="only"),
        token(RSA, "RS256", kid="enc"),
        by_hand({"alg": "HS256", "kid": "oct"}, claims(), hs256(b"k" * 32)),
    ],
    ids=range(16),
)
def test_a_token_can_not_choose_how_it_is_verified(issuer: Issuer, forged: str) -> None:
    secret = base64.urlsafe_b64encode(b"k" * 32).decode()
    issuer.keys["keys"] += [
        jwk(EC, "ES256", kid="ec"),
        jwk(EC_384, "ES384", kid="ec384"),
        jwk(RSA, "RS256", kid="only", alg="RS256"),
        jwk(RSA, "RS256", kid="enc", use="enc"),
        {"kty": "oct", "k": secret, "kid": "oct", "alg": "HS256"},
    ]

    refusal(issuer.verifier(), forged)


def test_unknown_key_ids_make_no_storm(issuer: Issuer) -> None:
    verifier = issuer.verifier()

    async def storm() -> None:
        assert await verifier.verify(token())
        refusals = await asyncio.gather(
            *(verifier.verify(token(kid=f"no{n}")) for n in range(100)), return_exceptions=True
        )
        assert all(isinstance(r, RequestError) and r.status == 401 for r in refusals)
        assert await verifier.verify(token())

    asyncio.run(storm())
    assert issuer.asked == 1


def test_readers_that_come_at_once_share_one_fetch(issuer: Issuer) -> None:
    verifier = issuer.verifier()

    async def crowd() -> list[str]:
        return await asyncio.gather(*(verifier.verify(token()) for _ in range(50)))

    assert len(set(asyncio.run(crowd()))) == 1
    assert issuer.asked == 1


@pytest.mark.parametrize(
    "answer",
    [
        PlainTextResponse("down", 503),
        PlainTextResponse("<html>"),
        JSONResponse([]),
        JSONResponse({"keys": {}}),
        JSONResponse({"keys": [{"kty": "RSA", "kid": "one", "n": 1}]}),
        RedirectResponse("http://127.0.0.1:9/"),
    ],
    ids=["503", "html", "list", "object", "broken key", "redirect"],
)
def test_without_keys_a_reader_is_asked_to_try_again(issuer: Issuer, answer: Response) -> None:
    issuer.answer = answer
    verifier = issuer.verifier()

    async def verify() -> None:
        for _ in range(20):
            with pytest.raises(RequestError) as raised:
                await verifier.verify(token())
            assert raised.value.status == 503
            assert raised.value.retry_after

    asyncio.run(verify())
    assert issuer.asked == 1


def test_a_key_set_that_is_down_costs_signed_in_readers_one_request(
    issuer: Issuer, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkit_server.app.KeySet", lambda url: KeySet(url, **LONG))
    issuer.answer = PlainTextResponse("down", 503)
    values = {"jwt_jwks_url": issuer.url, "jwt_issuer": ISSUER, "jwt_audience": "docs"}
    with start_server(**values, allow_anonymous=True) as url:
        headers = {"Authorization": f"Bearer {token()}"}
        body = {"type": "threads.list", "params": {}}
        answers = [httpx.post(f"{url}/chatkit", json=body, headers=headers) for _ in range(5)]
        visitor = Client(url).post("threads.list")

    assert {answer.status_code for answer in answers} == {503}
    assert "retry-after" in answers[0].headers
    assert issuer.asked == 1
    assert visitor.status_code == 200


def test_known_keys_stay_while_the_issuer_hangs(issuer: Issuer) -> None:
    # Fetched anew for each token, as after five minutes.
    verifier = issuer.verifier(fresh=0.0, cooldown=0.0)

    async def verify() -> None:
        assert await verifier.verify(token())
        issuer.held = threading.Event()
        fetching = asyncio.create_task(verifier.verify(token()))
        while issuer.asked < 2:
            await asyncio.sleep(0)
        # Others don't wait for that fetch.
        assert await verifier.verify(token())
        assert not fetching.done()
        # And it comes to nothing, but the key is known.
        issuer.answer = PlainTextResponse("down", 503)
        issuer.held.set()
        assert await fetching

    asyncio.run(verify())


def test_a_new_key_is_found_and_a_withdrawn_one_goes(issuer: Issuer) -> None:
    verifier = issuer.verifier(cooldown=0.0)

    async def verify() -> None:
        assert await verifier.verify(token())
        issuer.keys = {"keys": [jwk(OTHER_RSA, "RS256", kid="two")]}
        assert await verifier.verify(token(OTHER_RSA, kid="two"))
        with pytest.raises(RequestError) as raised:
            await verifier.verify(token())
        assert raised.value.status == 401

    asyncio.run(verify())


def test_a_bearer_without_a_token_is_no_visitor(start_server: StartServer) -> None:
    values = {"jwt_secret": SECRET, "jwt_issuer": ISSUER, "allow_anonymous": True}
    with start_server(**values) as url:
        visitor = Client(url)
        body = {"type": "threads.list", "params": {}}
        statuses = [
            visitor.send(body, headers={"Authorization": value}).status_code
            for value in ("Bearer", "Bearer null", "bearer", "Bearer a b")
        ]
        basic = visitor.send(body, headers={"Authorization": "Basic YTpi"}).status_code

    assert statuses == [401] * 4
    assert basic == 200
