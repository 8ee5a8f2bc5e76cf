"""Who is asking: an anonymous visitor's secret, or a verified token."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Awaitable, Callable

import jwt
from starlette.requests import Request

from .errors import RequestError
from .keyset import Key, KeySet

logger = logging.getLogger("chatkit_server")

Identity = Callable[[Request], Awaitable[str]]
"""Gives the `user_id` behind a request, or raises `RequestError` with 401."""

_SECRET = re.compile(r"[A-Za-z0-9_-]{32,256}")
_LONGEST_TOKEN = 8192
# Seconds that the issuer's clock may differ from ours.
_LEEWAY = 30


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
    """Verifies bearer tokens with a shared secret (HS256) or an issuer's key set.

    A token for somebody else is refused: without an audience of ours, one that names any.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str | None = None,
        secret: str | None = None,
        keys: KeySet | None = None,
    ) -> None:
        if (secret is None) == (keys is None):
            raise ValueError("a verifier takes either a secret or a key set")
        self._issuer = issuer
        self._audience = audience
        self._key = Key(None, secret, ["HS256"]) if secret is not None else None
        self._keys = keys
        self._warned = False

    async def verify(self, token: str) -> str:
        """The user of a valid token.

        Raises:
            RequestError: 401 for a token that is not valid, 503 where the keys can't be had.
        """
        try:
            key = await self._find_key(token)
            claims = jwt.decode(
                token,
                key.public,
                algorithms=key.algorithms,
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY,
                options={"require": ["exp", "iss", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise _unauthorized("The token has expired. Sign in again.") from None
        except jwt.InvalidAudienceError:
            self._warn_of_audience()
            raise _unauthorized("The token is for another service. Sign in again.") from None
        # The others come of what is no token at all, such as JSON nested a thousand times.
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise _unauthorized("The token is not valid here. Sign in again.") from None
        subject = claims["sub"]
        if not subject or not isinstance(subject, str):
            raise _unauthorized("The token names nobody. Sign in again.")
        return token_user(self._issuer, subject)

    async def _find_key(self, token: str) -> Key:
        if len(token) > _LONGEST_TOKEN:
            raise jwt.DecodeError("too long")
        if self._keys is None:
            assert self._key is not None  # noqa: S101
            return self._key
        key = await self._keys.find(jwt.get_unverified_header(token).get("kid"))
        if key is None:
            raise jwt.InvalidKeyError("unknown key")
        return key

    def _warn_of_audience(self) -> None:
        if self._audience is None and not self._warned:
            self._warned = True
            logger.warning(
                "a token names an audience and is refused: set CHATKIT_JWT_AUDIENCE to the one "
                "that your tokens have"
            )


def make_identity(verifier: TokenVerifier | None = None, *, anonymous: bool = True) -> Identity:
    """An identity that takes tokens where there is a verifier, and visitors where allowed."""

    async def identify(request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if verifier is not None and scheme.lower() == "bearer":
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
