"""What one server at a time does for all of them, held by a row that any pooler lets through."""

from typing import Final

from psycopg.sql import SQL

from chatkit_stores.database import Database

# Who dies with a chore in hand keeps others from it for so long.
_LEASE: Final = 120.0

# A new chore is taken for done, so that its first time is not the first start.
_KNOW: Final = SQL("insert into chatkit.chores (name) values (%(chore)s) on conflict do nothing")

_TAKE: Final = SQL("""
    update chatkit.chores set
        holder = %(holder)s, held_until = clock_timestamp() + make_interval(secs => %(lease)s)
    where name = %(chore)s and done_at < now() - make_interval(secs => %(pause)s)
    and (held_until is null or held_until < clock_timestamp() or holder = %(holder)s)
    returning name
""")
_KEEP: Final = SQL("""
    update chatkit.chores set held_until = clock_timestamp() + make_interval(secs => %(lease)s)
    where name = %(chore)s and holder = %(holder)s
    returning name
""")
_END: Final = SQL("""
    update chatkit.chores set holder = null, held_until = null, done_at = now()
    where name = %(chore)s and holder = %(holder)s
""")


class Chores:
    """The part of `PostgresStore` that shares work among servers."""

    _database: Database

    async def take_chore(self, name: str, holder: str, *, pause: float) -> bool:
        """Whether it is ours to do now: nobody does it, nor has in the last `pause` seconds."""
        values = {"chore": name, "holder": holder, "lease": _LEASE, "pause": pause}
        _, taken = await self._database.ask(values, _KNOW, _TAKE)
        return bool(taken)

    async def keep_chore(self, name: str, holder: str) -> bool:
        """Whether it is still ours; at least each minute."""
        values = {"chore": name, "holder": holder, "lease": _LEASE}
        return bool((await self._database.ask(values, _KEEP))[0])

    async def end_chore(self, name: str, holder: str) -> None:
        await self._database.ask({"chore": name, "holder": holder}, _END)
