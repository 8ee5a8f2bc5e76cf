"""How often a visitor and an address may ask."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Self

from limits import RateLimitItem, parse_many
from starlette.requests import Request

from .counts import Counts, Hit
from .errors import RequestError
from .identity import Identity
from .observer import Observer
from .settings import Settings

logger = logging.getLogger("chatkit_server")

_REPORT_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class Limit:
    """How often something may be done by one visitor, or from one address."""

    name: str
    items: tuple[tuple[str, RateLimitItem], ...]
    """With a name each, under which it is counted."""
    sentence: str

    @classmethod
    def read(cls, name: str, short: str, text: str, sentence: str) -> Limit:
        items = () if text == "off" else sorted(parse_many(text), key=RateLimitItem.get_expiry)
        return cls(name, tuple((f"{short}{n}", item) for n, item in enumerate(items)), sentence)


class Rates:
    """The limits of one process.

    New secrets are free to make, so that it is the address that holds a visitor who means harm.
    """

    def __init__(self, settings: Settings, counts: Counts, observer: Observer) -> None:
        self._observer = observer
        often = "Too many requests came from here in a short time."
        asked = "Those were many questions in a short time."
        crowd = "Many questions came from this network in a short time."
        self._counts = counts
        self._proxy_known = bool(settings.trusted_proxies)
        self._address_requests = Limit.read(
            "address_requests", "ar", settings.address_requests, often
        )
        self._visitor_requests = Limit.read(
            "visitor_requests", "vr", settings.visitor_requests, often
        )
        self._address_messages = Limit.read(
            "address_messages", "am", settings.address_messages, crowd
        )
        self._visitor_messages = Limit.read(
            "visitor_messages", "vm", settings.visitor_messages, asked
        )
        self._visitor_exports = Limit.read(
            "visitor_exports",
            "ve",
            settings.visitor_exports,
            "Chats were exported or deleted many times in a short time.",
        )
        self._refused = 0
        self._reported = -math.inf

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings, observer: Observer | None = None
    ) -> AsyncIterator[Self]:
        """Counts in Redis where the settings name one; it need not be up.

        Raises:
            SettingsError: the client for Redis is not installed.
        """
        url = settings.redis_url
        async with Counts.open(url.get_secret_value() if url else None) as counts:
            yield cls(settings, counts, observer or Observer())

    @property
    def redis_is_away(self) -> bool | None:
        """Whether each process counts by itself for a while; None where there is no Redis."""
        return self._counts.shared_is_away

    def guard(self, identity: Identity) -> Identity:
        """The same identity, which refuses with 429 those who ask for anything too often.

        The address comes first: to verify a token costs more than to count.
        """

        async def identify(request: Request) -> str:
            await self._check(self._address_requests, self._address(request))
            user_id = await identity(request)
            await self._check(self._visitor_requests, user_id)
            return user_id

        return identify

    async def count(self, request: Request, user_id: str) -> None:
        """Count a request whose user is known without an identity, by a signed address."""
        await self._check(self._address_requests, self._address(request))
        await self._check(self._visitor_requests, user_id)

    async def admit(self, request: Request, user_id: str) -> None:
        """Count a request that makes a model work.

        Raises:
            RequestError: 429, with the seconds after which it may be sent again.
        """
        # What a visitor asks in vain does not count against their neighbours.
        await self._check(self._visitor_messages, user_id)
        await self._check(self._address_messages, self._address(request))

    async def admit_personal(self, request: Request, user_id: str) -> None:
        """Count a request for everything of a visitor, which costs the database more than others.

        Raises:
            RequestError: 429, with the seconds after which it may be sent again.
        """
        await self._check(self._visitor_exports, user_id)

    async def _check(self, limit: Limit, who: str) -> None:
        wait = await self._counts.count([Hit(item, name, who) for name, item in limit.items])
        if wait is None:
            return
        self._report()
        self._observer.limited(limit.name)
        seconds = max(1, math.ceil(wait))
        raise RequestError(
            429, "rate_limited", f"{limit.sentence} {_try_again(seconds)}", retry_after=seconds
        )

    def _report(self) -> None:
        # Not a line for each: who is refused would fill the disk instead.
        self._refused += 1
        now = time.monotonic()
        if now - self._reported >= _REPORT_PAUSE:
            logger.warning("requests over a limit, answered with 429: %d", self._refused)
            self._refused = 0
            self._reported = now

    def _address(self, request: Request) -> str:
        host = request.client.host if request.client is not None else ""
        address = address_of(host)
        if not self._proxy_known and "x-forwarded-for" in request.headers and _is_private(host):
            self._proxy_known = True
            logger.warning(
                "requests come through a proxy at %s, which CHATKIT_TRUSTED_PROXIES does not name: "
                "all readers behind it share the limits of one address",
                host,
            )
        return address


def address_of(host: str) -> str:
    """What is counted as one address: an IPv4 address, or the /64 that a household gets of IPv6."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((address, 64), strict=False).network_address)


def _is_private(host: str) -> bool:
    try:
        return ip_address(host).is_private
    except ValueError:
        return False


def _try_again(seconds: int) -> str:
    if seconds < 100:
        return f"Try again in {seconds} second{'' if seconds == 1 else 's'}."
    return f"Try again in {math.ceil(seconds / 60)} minutes."
