"""An issuer's public keys, fetched when they are needed and kept while the issuer is away."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any

import httpx
import jwt

from .errors import unavailable

logger = logging.getLogger("chatkit_server")

# What a key may verify by its type. With a list of all, a token could choose what it is taken for.
_ALGORITHMS = {
    "RSA": ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
    "EC": ["ES256", "ES384", "ES512"],
    "OKP": ["EdDSA"],
}


@dataclass(frozen=True, slots=True)
class Key:
    """A public key, and what it may verify."""

    id: str | None
    public: Any
    algorithms: list[str]


class KeySet:
    """The keys at one address.

    Args:
        url: Of the JSON Web Key Set.
        timeout: Seconds that a fetch may take.
        fresh: Seconds after which keys are fetched again, so that a withdrawn one goes.
        cooldown: Seconds between two fetches: whoever sends unknown key ids must not make us ask
            for each.
        retry: Seconds until the next fetch where there is no key at all.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 5.0,
        fresh: float = 300.0,
        cooldown: float = 30.0,
        retry: float = 5.0,
    ) -> None:
        self._url = url
        self._timeout = timeout
        self._fresh = fresh
        self._cooldown = cooldown
        self._retry = retry
        self._keys: list[Key] | None = None
        self._stale_at = 0.0
        self._rest_until = 0.0
        self._fetching = asyncio.Lock()

    async def find(self, key_id: str | None) -> Key | None:
        """The key of this id, or the only one where a token names none; None for unknown ones.

        Raises:
            RequestError: 503 where there are no keys and they can't be had.
        """
        # Whoever has a key need not wait while another request fetches them anew.
        if self._is_due(key_id) and not (self._fetching.locked() and self._match(key_id)):
            async with self._fetching:
                if self._is_due(key_id):
                    await self._fetch()
        if self._keys is None:
            raise unavailable("Sign-ins can't be verified right now. Try again soon.")
        return self._match(key_id)

    async def count(self) -> int:
        """How many keys there are to be had."""
        await self._fetch()
        return len(self._keys or [])

    def _is_due(self, key_id: str | None) -> bool:
        now = time.monotonic()
        if now < self._rest_until:
            return False
        return now >= self._stale_at or self._match(key_id) is None

    def _match(self, key_id: str | None) -> Key | None:
        keys = self._keys or []
        if key_id is None:
            return keys[0] if len(keys) == 1 else None
        return next((key for key in keys if key.id == key_id), None)

    async def _fetch(self) -> None:
        try:
            async with httpx.AsyncClient(timeout=self._timeout) as client:
                response = await client.get(self._url, headers={"Accept": "application/json"})
            response.raise_for_status()
            keys = _read(response.json())
            if not keys:
                raise ValueError("no key in it can be used")
            self._keys = keys
            self._stale_at = time.monotonic() + self._fresh
        except httpx.HTTPStatusError as error:
            logger.warning("the JWT keys are answered with status %d", error.response.status_code)
        except (httpx.HTTPError, ValueError) as error:
            logger.warning("the JWT keys could not be read: %s", str(error) or type(error).__name__)
        finally:
            pause = self._retry if self._keys is None else self._cooldown
            self._rest_until = time.monotonic() + pause


def _read(document: Any) -> list[Key]:
    entries = document.get("keys") if isinstance(document, dict) else None
    keys = []
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict) or entry.get("use") not in (None, "sig"):
            continue
        algorithms = _ALGORITHMS.get(str(entry.get("kty")), [])
        if "alg" in entry:
            algorithms = [name for name in algorithms if name == entry["alg"]]
        if not algorithms:
            continue
        try:
            public = jwt.PyJWK(entry, algorithms[0]).key
        except jwt.PyJWTError:
            # One key of a kind that we don't know must not take the others away.
            continue
        key_id = entry.get("kid")
        keys.append(Key(key_id if isinstance(key_id, str) else None, public, algorithms))
    return keys
