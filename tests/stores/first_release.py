"""What a server of the first release has sent to the database, as it stood in its code."""

from datetime import datetime
from typing import Any, Final

import psycopg

_SAVE_THREAD: Final = """
    insert into chatkit.threads (
        id, user_id, created_at, title, status, status_reason, allowed_image_domains, metadata
    ) values (
        %(thread)s, %(user)s, %(created_at)s, %(title)s, 'active', null, null, '{}'
    )
    on conflict (id) do update set title = excluded.title
    where threads.user_id = excluded.user_id and not threads.deleted
    returning id
"""
_LEASE: Final = """
    update chatkit.threads
    set turn_id = %(turn)s, lease_until = clock_timestamp() + make_interval(secs => 60)
    where id = %(thread)s and user_id = %(user)s and not deleted and threads.status = 'active' and (
        threads.lease_until is null
        or threads.lease_until < clock_timestamp()
        or threads.turn_id = %(turn)s
    )
    returning id
"""
_PUT_ITEM: Final = """
    insert into chatkit.items (id, thread_id, user_id, kind, data)
    select %(item)s::text, held.id, held.user_id, %(kind)s::text, %(data)s::json
    from (
        select id, user_id from chatkit.threads
        where id = %(thread)s and user_id = %(user)s and not deleted
        for no key update
    ) as held
    on conflict (thread_id, id) do update set kind = excluded.kind, data = excluded.data
    where items.data is not null
    returning id
"""
_FINISH: Final = """
    update chatkit.threads set lease_until = null
    where id = %(thread)s and user_id = %(user)s and not deleted and turn_id = %(turn)s
    returning id
"""
_RATE: Final = """
    insert into chatkit.feedback (item_id, user_id, thread_id, kind)
    values (%(item)s, %(user)s, %(thread)s, 'positive')
    on conflict (item_id, user_id) do update set kind = excluded.kind, updated_at = now()
    returning item_id
"""
_SAVE_ATTACHMENT: Final = """
    insert into chatkit.attachments (id, user_id, data)
    values (%(attachment)s, %(user)s, %(data)s)
    on conflict (id) do update set data = excluded.data
    where attachments.user_id = excluded.user_id
    returning id
"""
_DELETE: Final = """
    update chatkit.threads set
        deleted = true, title = null, status = 'active', status_reason = null,
        allowed_image_domains = null, metadata = '{}', turn_id = null, lease_until = null
    where id = %(thread)s and user_id = %(user)s and not deleted
    returning id
"""
_DELETE_ITEMS: Final = """
    delete from chatkit.items where thread_id = %(thread)s and user_id = %(user)s
    returning id
"""


class FirstRelease:
    """A writer that knows the columns of the first migration, and no others."""

    def __init__(self, connection: psycopg.AsyncConnection, user: str) -> None:
        self._connection = connection
        self._user = user

    async def turn(self, thread_id: str, number: int, made_at: datetime) -> None:
        """A message and a rated answer; each statement has to find its row."""
        of = {"thread": thread_id, "turn": f"turn_{thread_id}_{number}"}
        await self._write(_SAVE_THREAD, **of, created_at=made_at, title='"Old"')
        await self._write(_LEASE, **of)
        for kind, text in (("user_message", "Why?"), ("assistant_message", "Because.")):
            item = f"{kind}_{thread_id}_{number}"
            shape = (
                '"content":[{"type":"input_text","text":"%s"}],"attachments":[],'
                '"quoted_text":null,"inference_options":{"tool_choice":null,"model":null}'
                if kind == "user_message"
                else '"content":[{"annotations":[],"text":"%s","type":"output_text"}]'
            )
            data = (
                f'{{"id":"{item}","thread_id":"{thread_id}",'
                f'"created_at":"{made_at.isoformat()}","type":"{kind}",{shape % text}}}'
            )
            await self._write(_PUT_ITEM, **of, item=item, kind=kind, data=data)
        await self._write(_RATE, **of, item=item)
        await self._write(_FINISH, **of)

    async def attach(self, attachment_id: str) -> None:
        data = (
            f'{{"id":"{attachment_id}","name":"a.txt","mime_type":"text/plain",'
            '"upload_descriptor":null,"thread_id":null,"metadata":null,"type":"file"}'
        )
        await self._write(_SAVE_ATTACHMENT, attachment=attachment_id, data=data)

    async def delete(self, thread_id: str) -> None:
        await self._write(_DELETE, thread=thread_id)
        await self._write(_DELETE_ITEMS, thread=thread_id)

    async def _write(self, statement: str, **values: Any) -> None:
        cursor = await self._connection.execute(statement.encode(), {**values, "user": self._user})
        assert await cursor.fetchone() is not None, statement
