"""Attachments: their rows from the first announcement of a file until its bytes are removed.

The bytes lie elsewhere, under the attachment's id. A row comes before its bytes and goes after
them, so that none are left that nobody knows of.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from chatkit.store import NotFoundError
from chatkit.types import Attachment
from psycopg.sql import SQL

from chatkit_stores.database import Database
from chatkit_stores.rows import StoreContext, keys, read_attachment

_SAVE: Final = SQL("""
    insert into chatkit.attachments (id, user_id, data, thread_id)
    values (%(attachment)s, %(user)s, %(data)s, %(thread)s)
    on conflict (id) do update set data = excluded.data, thread_id = excluded.thread_id
    where attachments.user_id = excluded.user_id and not attachments.deleted
    returning id
""")

_LOAD: Final = SQL("""
    select data::text, thread_id, uploaded_at is not null from chatkit.attachments
    where id = any(%(attachments)s) and user_id = %(user)s and not deleted
""")

_DELETE: Final = SQL("""
    delete from chatkit.attachments
    where id = %(attachment)s and user_id = %(user)s and not deleted
    returning id
""")

# Also one that is marked: the first try may have lost its answer on the way.
_CONDEMN_ONE: Final = SQL("""
    update chatkit.attachments set deleted = true, data = 'null'
    where id = %(attachment)s and user_id = %(user)s
    returning id
""")

_COUNT_UNSENT: Final = SQL("""
    select count(*) from chatkit.attachments
    where user_id = %(user)s and thread_id is null and not deleted
    and (uploaded_at is not null or created_at > now() - interval '1 hour')
""")

_BEGIN_UPLOAD: Final = SQL("""
    update chatkit.attachments set
        upload = %(upload)s, upload_until = clock_timestamp() + make_interval(secs => %(lease)s)
    where id = %(attachment)s and user_id = %(user)s and not deleted and uploaded_at is null
    and (upload_until is null or upload_until < clock_timestamp() or upload = %(upload)s)
    returning id
""")

_FINISH_UPLOAD: Final = SQL("""
    update chatkit.attachments set
        data = %(data)s, size = %(size)s, upload_until = null,
        uploaded_at = coalesce(uploaded_at, now())
    where id = %(attachment)s and user_id = %(user)s and not deleted and upload = %(upload)s
    returning id
""")

_ABANDON_UPLOAD: Final = SQL("""
    update chatkit.attachments set upload_until = null
    where id = %(attachment)s and user_id = %(user)s and upload = %(upload)s
""")

# In the flight that stores the message: sent or not, without anything in between.
SEND: Final = SQL("""
    update chatkit.attachments set thread_id = %(thread)s
    from (
        select id from chatkit.attachments
        where id = any(%(attachments)s) and user_id = %(user)s and not deleted
        and thread_id is null
        order by id for no key update
    ) as held
    where attachments.id = held.id and exists (
        select from chatkit.items
        where id = %(item)s and thread_id = %(thread)s and user_id = %(user)s
    )
""")

# In the flight that deletes the thread. Only what was uploaded through us has bytes to remove.
DELETE_OF_THREAD: Final = SQL("""
    delete from chatkit.attachments
    where thread_id = %(thread)s and user_id = %(user)s and upload is null
""")
CONDEMN_OF_THREAD: Final = SQL("""
    update chatkit.attachments set deleted = true, data = 'null'
    where thread_id = %(thread)s and user_id = %(user)s and not deleted
""")

# "attach" in ASCII, the same number on every server: one of them looks at a time.
_LOCK: Final = int.from_bytes(b"attach", "big")
# What somebody sends or deletes at this moment is left for the next time.
_CONDEMN: Final = SQL("""
    with turn as materialized (
        select pg_try_advisory_xact_lock(%(lock)s) as ours
    ), condemned as (
        update chatkit.attachments set deleted = true, data = 'null'
        where id in (
            select id from chatkit.attachments
            where (select ours from turn) and not deleted
            and created_at < now() - %(age)s::interval
            and (
                thread_id is null
                or not exists (
                    select from chatkit.threads
                    where threads.id = attachments.thread_id and not threads.deleted
                )
            )
            for no key update skip locked
        )
    )
    select ours from turn
""")
_CONDEMNED: Final = SQL("""
    select id from chatkit.attachments
    where deleted and user_id = coalesce(%(user)s, user_id)
    limit %(limit)s
""")
_FORGET: Final = SQL("""
    delete from chatkit.attachments where id = any(%(attachments)s) and deleted
""")


@dataclass(frozen=True, slots=True)
class StoredAttachment:
    attachment: Attachment
    """Its `thread_id` is set once it was sent."""
    uploaded: bool


class Attachments:
    """The part of `PostgresStore` that knows of attachments.

    Those who keep the bytes in a place of their own, as the SDK has it, need the first three
    methods. The others are for bytes that are received in one go: `begin_upload`, then the bytes,
    then `finish_upload`; and for their removal: `condemn_attachment` marks what its owner takes
    back and `condemn_attachments` what nobody needs, so that no upload ends any more,
    `condemned_attachments` lists what is marked, `forget_attachments` follows the removal.
    """

    _database: Database

    async def save_attachment(self, attachment: Attachment, context: StoreContext) -> None:
        values = keys(context, attachment=attachment.id, thread=attachment.thread_id)
        data = {"data": attachment.model_dump_json()}
        [saved] = await self._database.ask(values | data, _SAVE)
        if not saved:
            raise NotFoundError(f"attachment {attachment.id} not found")

    async def load_attachment(self, attachment_id: str, context: StoreContext) -> Attachment:
        found = await self.load_attachments([attachment_id], context=context)
        if not found:
            raise NotFoundError(f"attachment {attachment_id} not found")
        return found[0].attachment

    async def delete_attachment(self, attachment_id: str, context: StoreContext) -> None:
        values = keys(context, attachment=attachment_id)
        [deleted], retried = await self._database.fly((_DELETE, values))
        if not deleted and not retried:
            raise NotFoundError(f"attachment {attachment_id} not found")

    async def load_attachments(
        self, attachment_ids: Sequence[str], *, context: StoreContext
    ) -> list[StoredAttachment]:
        """Those of the user that there are, in one round trip, in no order."""
        values = keys(context) | {
            "attachments": [keys(context, attachment=id_)["attachment"] for id_ in attachment_ids]
        }
        [rows] = await self._database.ask(values, _LOAD)
        return [
            StoredAttachment(
                read_attachment(data).model_copy(update={"thread_id": thread_id}), uploaded
            )
            for data, thread_id, uploaded in rows
        ]

    async def count_unsent_attachments(self, *, context: StoreContext) -> int:
        """How many wait to be sent, without those that never arrived."""
        [[(count,)]] = await self._database.ask(keys(context), _COUNT_UNSENT)
        return int(count)

    async def begin_upload(
        self, upload_id: str, attachment_id: str, *, lease: float, context: StoreContext
    ) -> Literal["begun", "busy", "uploaded"]:
        """Hold an attachment that has no bytes yet, so that one upload writes them.

        `NotFoundError` for one that is not the user's.
        """
        values = keys(context, attachment=attachment_id) | {
            "upload": upload_id,
            "lease": lease,
            "attachments": [attachment_id],
        }
        begun, rows = await self._database.ask(values, _BEGIN_UPLOAD, _LOAD)
        if not rows:
            raise NotFoundError(f"attachment {attachment_id} not found")
        if begun:
            return "begun"
        return "uploaded" if rows[0][2] else "busy"

    async def finish_upload(
        self, upload_id: str, attachment: Attachment, *, size: int, context: StoreContext
    ) -> bool:
        """Note that the bytes are there; False when it was deleted or taken meanwhile."""
        values = keys(context, attachment=attachment.id) | {
            "upload": upload_id,
            "size": size,
            "data": attachment.model_dump_json(),
        }
        return bool((await self._database.ask(values, _FINISH_UPLOAD))[0])

    async def abandon_upload(
        self, upload_id: str, attachment_id: str, *, context: StoreContext
    ) -> None:
        """Let another upload try."""
        values = keys(context, attachment=attachment_id) | {"upload": upload_id}
        await self._database.ask(values, _ABANDON_UPLOAD)

    async def condemn_attachment(self, attachment_id: str, *, context: StoreContext) -> bool:
        """Mark one of the user's; False where there is none."""
        values = keys(context, attachment=attachment_id)
        return bool((await self._database.ask(values, _CONDEMN_ONE))[0])

    async def condemn_attachments(self, *, older_than: timedelta) -> bool:
        """Mark everybody's of that age that are in no thread, or in a deleted one; False when
        another server does so right now.

        By the database's clock: a server whose own is ahead would take what was just uploaded.
        """
        [rows] = await self._database.ask({"lock": _LOCK, "age": older_than}, _CONDEMN)
        return bool(rows[0][0])

    async def condemned_attachments(
        self, *, limit: int, context: StoreContext | None = None
    ) -> list[str]:
        """Ids of what is marked: the user's, or everybody's without a context."""
        values = {"user": None if context is None else context.user_id, "limit": limit}
        [rows] = await self._database.ask(values, _CONDEMNED)
        return [attachment_id for (attachment_id,) in rows]

    async def forget_attachments(self, attachment_ids: Sequence[str]) -> None:
        """Remove marked ones, whose bytes are removed."""
        await self._database.ask({"attachments": list(attachment_ids)}, _FORGET)
