"""What the servers do at night: delete chats that nobody has used for long, and forget the rest."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Protocol

from .attachments import Attachments

logger = logging.getLogger("chatkit_server")

_CHORE = "tidy"
_AT = 3
"""The hour, by this machine's clock."""
# Once a night, however many servers there are and however their clocks differ.
_EACH_NIGHT = 20 * 3600.0
# A server that never runs at night does it at its start.
_OVERDUE = 36 * 3600.0
_AGAIN = 600.0
# Not beside the first readers, who come while the server is hardly awake.
FIRST_LOOK = 60.0
# Between two batches, so that readers hardly notice.
_PAUSE = 0.1


class NightStore(Protocol):
    """What is asked of the store; `chatkit_stores.chores` and `removals` say what each does."""

    async def take_chore(self, name: str, holder: str, *, pause: float) -> bool: ...
    async def keep_chore(self, name: str, holder: str) -> bool: ...
    async def end_chore(self, name: str, holder: str) -> None: ...
    def delete_unused(self, days: int, *, pause: float) -> AsyncIterator[int]: ...
    async def forget_deleted(self) -> int: ...


class Housekeeping:
    """One server at a time does it for all that share a database.

    Args:
        store: Keeps the chats.
        attachments: Keeps their files; None where there are none.
        retention_days: How long a chat is kept that nobody uses; None for ever.
    """

    def __init__(
        self, store: NightStore, attachments: Attachments | None, retention_days: int | None
    ) -> None:
        self._store = store
        self._attachments = attachments
        self._days = retention_days
        self._holder = secrets.token_hex(8)

    async def tidy(self, *, pause: float = _EACH_NIGHT) -> bool:
        """Do it now, unless it was done in the last `pause` seconds or another server is at it.

        Raises:
            ConnectionError: the database can't be reached; what is left is for the next time.
        """
        if not await self._store.take_chore(_CHORE, self._holder, pause=pause):
            return False
        deleted = 0
        if self._days is not None:
            async for count in self._store.delete_unused(self._days, pause=_PAUSE):
                deleted += count
                if not await self._store.keep_chore(_CHORE, self._holder):
                    logger.warning("another server goes on with the night's work")
                    return False
        if deleted:
            logger.info("deleted %d chats that nobody used for %s days", deleted, self._days)
            if self._attachments is not None:
                await self._attachments.sweep()
        forgotten = await self._store.forget_deleted()
        await self._store.end_chore(_CHORE, self._holder)
        logger.debug("the night's work is done; %d places were given up", forgotten)
        return True

    async def keep(self) -> None:
        """Do it each night, until cancelled; soon after the start where nights were missed."""
        await asyncio.sleep(FIRST_LOOK)
        pause = _OVERDUE
        while True:
            wait = seconds_until_night(datetime.now().astimezone())
            try:
                await self.tidy(pause=pause)
                pause = _EACH_NIGHT
            except ConnectionError as error:
                logger.warning("the night's work has to wait: %s", error)
                wait = min(wait, _AGAIN)
            except Exception:
                logger.exception("the night's work failed")
            await asyncio.sleep(wait)


def seconds_until_night(now: datetime) -> float:
    """From an aware time of this machine until the hour of the work."""
    night = now.replace(hour=_AT, minute=0, second=0, microsecond=0)
    if night <= now:
        night += timedelta(days=1)
    return (night - now).total_seconds()
