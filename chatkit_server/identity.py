"""Who is asking: an anonymous visitor's secret, or a verified token."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
from starlette.requests import Request

from .errors import RequestError, unavailable

Identity = Callable[[Request], Awaitable[str]]
"""Gives the `user_id` behind a request, or raises `RequestError` with 401."""

_SECRET = re.compile(r"[A-Za-z0-9_-]{32,256}")
# None of them signs with a public key taken for a secret.
_ASYMMETRIC = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "EdDSA"]


def anonymous_user(secret: str) -> str | None:
    """The user behind a visitor's secret; None where it is too weak to be one."""
    if not _SECRET.fullmatch(secret):
        return None
    digest = hashlib.sha256(f"chatkit-session-v1:{secret}".encode()).hexdigest()
    return f"anon_{digest}"


def token_user(issuer: str, subject: str) -> str:
    """The user whom an issuer calls `subject`."""
    digest = hashlib.sha256(f"{issuer}\0{subject}".encode()).hexdigest()
    return f"jwt_{digest}"


def _unauthorized(message: str) -> RequestError:
    return RequestError(401, "unauthorized", message)


class TokenVerifier:
    """Verifies bearer tokens with a shared secret (HS256) or an issuer's key set."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str | None = None,
        secret: str | None = None,
        jwks_url: str | None = None,
    ) -> None:
        if (secret is None) == (jwks_url is None):
            raise ValueError("a verifier takes either a secret or a key set")
        self._issuer = issuer
        self._audience = audience
        self._secret = secret
        self._keys = jwt.PyJWKClient(jwks_url, timeout=5) if jwks_url else None

    async def verify(self, token: str) -> str:
        """The user of a valid token.

        Raises:
            RequestError: 401 for a token that is not valid, 503 where the keys can't be had.
        """
        try:
            key: Any = self._secret
            if self._keys is not None:
                key = (await asyncio.to_thread(self._keys.get_signing_key_from_jwt, token)).key
            claims = jwt.decode(
                token,
                key,
                algorithms=["HS256"] if self._secret is not None else _ASYMMETRIC,
                issuer=self._issuer,
                audience=self._audience,
                leeway=30,
                options={"require": ["exp", "iss", "sub"], "verify_aud": bool(self._audience)},
            )
        except jwt.PyJWKClientConnectionError as error:
            raise unavailable("Tokens can't be verified right now.") from error
        except jwt.ExpiredSignatureError:
            raise _unauthorized("The token has expired. Sign in again.") from None
        except jwt.PyJWTError:
            raise _unauthorized("The token is not valid here. Sign in again.") from None
        return token_user(self._issuer, str(claims["sub"]))


def make_identity(verifier: TokenVerifier | None = None, *, anonymous: bool = True) -> Identity:
    """An identity that takes tokens where there is a verifier, and visitors where allowed."""

    async def identify(request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if verifier is not None and scheme.lower() == "bearer" and token:
            # A bad token is an error even where visitors are welcome: they'd lose their threads.
            return await verifier.verify(token.strip())
        secret = request.headers.get("x-session-id")
        if anonymous and secret is not None:
            user = anonymous_user(secret)
            if user is None:
                raise _unauthorized(
                    "X-Session-Id must be a secret of 32 to 256 letters, digits, _ or -."
                )
            return user
        if verifier is not None:
            raise _unauthorized("Send a token as Authorization: Bearer.")
        raise _unauthorized("Send the visitor's secret as X-Session-Id.")

    return identify
