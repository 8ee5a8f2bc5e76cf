"""Questions that the docs did not answer: kept with the turn, read by the owner of the site."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from psycopg.sql import SQL

from chatkit_stores.database import Database, Statement

Kind: TypeAlias = Literal["not_covered", "not_cited"]

# The question has to be there, and to be the user's. Behind HOLD, which locks the thread.
_KEEP: Final = SQL("""
    insert into chatkit.unanswered (item_id, thread_id, user_id, asked_at, kind, data)
    select items.id, items.thread_id, items.user_id, %(asked_at)s::timestamptz,
        %(kind)s::text, %(data)s::json
    from chatkit.items join chatkit.threads on threads.id = items.thread_id
    where items.id = %(item)s and items.thread_id = %(thread)s and items.user_id = %(user)s
    and items.data is not null and threads.user_id = %(user)s and not threads.deleted{condition}
    on conflict (item_id) do update set
        asked_at = excluded.asked_at, kind = excluded.kind, data = excluded.data
""")
_KEEP_HELD: Final = _KEEP.format(condition=SQL(" and threads.turn_id = %(turn)s"))
_KEEP_RESTORED: Final = _KEEP.format(condition=SQL(""))

FORGET_ITEM: Final = SQL("""
    delete from chatkit.unanswered
    where item_id = %(item)s and thread_id = %(thread)s and user_id = %(user)s and (
        %(turn)s::text is null
        or exists (select from chatkit.threads where id = %(thread)s and turn_id = %(turn)s)
    )
""")

# Behind REPLACE_ITEMS: the question that is answered anew, and what was asked after it.
FORGET_REPLACED: Final = SQL("""
    delete from chatkit.unanswered using chatkit.items, chatkit.threads
    where unanswered.item_id = items.id and threads.id = items.thread_id
    and items.thread_id = %(thread)s and items.user_id = %(user)s
    and threads.user_id = %(user)s and threads.turn_id = %(turn)s
    and (items.data is null or items.id = %(retry)s)
""")

_LIST: Final = SQL("""
    select asked_at, kind, data from chatkit.unanswered
    where asked_at > now() - make_interval(days => %(days)s)
    order by asked_at desc limit %(limit)s
""")


@dataclass(frozen=True, slots=True)
class UnansweredQuestion:
    """A question that the docs did not answer, as the server has recorded it."""

    asked_at: datetime
    kind: Kind
    """The search judged that the docs don't cover it, or the model's answer cites nothing."""
    data: Mapping[str, Any]


class Unanswered:
    """The part of `PostgresStore` that the owner of the site reads."""

    _database: Database

    async def load_unanswered(
        self, *, days: int = 30, limit: int = 10_000
    ) -> list[UnansweredQuestion]:
        """What all users have asked in the last days and the docs did not answer, newest first."""
        [found] = await self._database.ask({"days": days, "limit": limit}, _LIST)
        return [UnansweredQuestion(*row) for row in found]


def keep_gap(
    gap: Mapping[str, Any] | None, values: Mapping[str, Any], *, restored: bool = False
) -> list[Statement]:
    """The statement that keeps a gap beside the other statements of a turn; none without a gap.

    `item` names the question; `kind` and `asked_at` are columns, the rest is kept as it is.
    """
    if gap is None:
        return []
    columns = {name: gap[name] for name in ("item", "kind", "asked_at")}
    # In ASCII: what readers and their browsers send may hold halves of characters.
    data = json.dumps({name: value for name, value in gap.items() if name not in columns})
    statement = _KEEP_RESTORED if restored else _KEEP_HELD
    return [(statement, {**values, **columns, "data": data})]
