"""Whether a turn may use the model: the switch of the whole site, and the tokens of the day."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from .errors import RequestError
from .lease import Answering, TurnStart

logger = logging.getLogger("chatkit_server")

_OFF = "Answering is switched off at the moment. Earlier chats can still be read."
_QUOTES = "Answers only quote the docs at the moment."
_USER_SPENT = (
    "You have used up what the model may do for you today: until midnight UTC, answers only quote "
    "the docs."
)
_ALL_SPENT = (
    "The model has done its work for today: until midnight UTC, answers only quote the docs."
)
_RETRY_AFTER = 60

AddUsage = Callable[[Mapping[str, int]], Awaitable[None]]


class Allowance:
    """Judges turns by what their first round trip has brought, and counts what they use up.

    All servers of a database share it. While that is away, the last thing that is known holds.

    Args:
        add_usage: Counts tokens of users in the database.
        per_user: Tokens that a user may use in a day; None for any number.
        in_all: Tokens that all users together may use in a day.
    """

    def __init__(
        self, add_usage: AddUsage, *, per_user: int | None = None, in_all: int | None = None
    ) -> None:
        self._add_usage = add_usage
        self._per_user = per_user
        self._in_all = in_all
        self._last: Answering | None = None
        self._unsaved: Counter[str] = Counter()
        self._saving: asyncio.Task[None] | None = None

    def judge(self, start: TurnStart, user_id: str) -> str | None:
        """What the reader is told where this turn only quotes the docs; None where it need not.

        Raises:
            RequestError: 503 where answering is switched off.
        """
        found, last = start.answering, start.answering or self._last
        self._last = last
        if last is None:
            return None
        # One that began in the moment of switching off is stopped by its first checkpoint.
        if last.mode == "off" and (start.refusal == "off" or found is None):
            message = last.message or _OFF
            raise RequestError(503, "answering_off", message, retry_after=_RETRY_AFTER)
        if last.mode == "quotes":
            return last.message or _QUOTES
        used = self._unsaved[user_id] + (found.user_tokens if found is not None else 0)
        if self._per_user is not None and used >= self._per_user:
            return _USER_SPENT
        if self._in_all is not None and last.tokens + self._unsaved.total() >= self._in_all:
            return _ALL_SPENT
        return None

    def spend(self, user_id: str, tokens: int) -> None:
        """Count what a turn has used; it is saved beside whatever comes next."""
        if tokens and (self._per_user is not None or self._in_all is not None):
            self._unsaved[user_id] += tokens
            if self._saving is None or self._saving.done():
                self._saving = asyncio.create_task(self._save())

    async def close(self) -> None:
        """Wait until what was counted is saved, if the database takes it."""
        if self._saving is not None:
            await self._saving

    async def _save(self) -> None:
        while saving := +self._unsaved:
            try:
                await self._add_usage(saving)
            except Exception as error:
                # Counted on here, and saved with the next turn.
                logger.warning("used tokens could not be saved: %s", error)
                return
            self._unsaved -= saving
