"""Whether turns are answered at all, and what has been used up today."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from psycopg.sql import SQL

from chatkit_stores.database import Database, Row, Statement

Mode: TypeAlias = Literal["on", "quotes", "off"]

_TODAY: Final = SQL("(now() at time zone 'utc')::date")

ANSWERING: Final = SQL("""
    select mode, message,
        coalesce(
            (select tokens from chatkit.usage where day = {today} and user_id = %(user)s), 0
        ),
        coalesce((select tokens from chatkit.usage where day = {today} and user_id = ''), 0)
    from chatkit.answering
""").format(today=_TODAY)

_SET: Final = SQL("""
    insert into chatkit.answering (mode, message) values (%(mode)s, %(message)s)
    on conflict (one) do update set
        mode = excluded.mode, message = excluded.message, changed_at = now()
""")

_ADD_USAGE: Final = SQL("""
    insert into chatkit.usage (day, user_id, tokens) values ({today}, %(user)s, %(tokens)s)
    on conflict (day, user_id) do update set tokens = usage.tokens + excluded.tokens
""").format(today=_TODAY)

_FORGET_USAGE: Final = SQL("delete from chatkit.usage where day < {today} - 30").format(
    today=_TODAY
)


@dataclass(frozen=True, slots=True)
class Answering:
    """The switch, and what was used today, as a turn finds them."""

    mode: Mode = "on"
    message: str | None = None
    """What readers are told; None for the server's own sentence."""
    user_tokens: int = 0
    """Of this user."""
    tokens: int = 0
    """Of all users."""


class Switches:
    """The part of `PostgresStore` that holds for the whole site."""

    _database: Database

    async def load_answering(self) -> Answering:
        [found] = await self._database.ask({"user": ""}, ANSWERING)
        return read_answering(found)

    async def set_answering(self, mode: Mode, message: str | None = None) -> None:
        """Let all servers answer, only quote or not answer at all, from their next turn on."""
        await self._database.ask({"mode": mode, "message": message}, _SET)

    async def add_usage(self, tokens: Mapping[str, int]) -> None:
        """Count tokens of users for today, and for all together.

        When a connection breaks in the middle they may be counted twice.
        """
        # Always in the same order, so that two servers don't wait for each other.
        amounts = sorted({**tokens, "": sum(tokens.values())}.items())
        added: list[Statement] = [
            (_ADD_USAGE, {"user": user, "tokens": amount}) for user, amount in amounts
        ]
        await self._database.fly(*added, (_FORGET_USAGE, {}))


def read_answering(rows: list[Row]) -> Answering:
    return Answering(*rows[0]) if rows else Answering()
