"""The SQL. Every statement asks whose row it is: `%(user)s`."""

from collections.abc import Iterable
from typing import Final

from psycopg.sql import SQL, Composed, Identifier, Placeholder

_THREAD: Final = SQL(
    "id, created_at, title, status, status_reason, allowed_image_domains, metadata"
)


def _pages(statement: SQL) -> dict[str, Composed]:
    return {
        "asc": statement.format(thread=_THREAD, beyond=SQL(">"), first=SQL("0"), order=SQL("asc")),
        "desc": statement.format(
            thread=_THREAD, beyond=SQL("<"), first=SQL("9223372036854775807"), order=SQL("desc")
        ),
    }


def update_thread(columns: Iterable[str]) -> Composed:
    # The owner is assigned so that there is something to assign when nothing changes.
    return SQL("""
        update chatkit.threads set user_id = user_id{assignments}
        where id = %(thread)s and user_id = %(user)s and not deleted
        returning {thread}
    """).format(assignments=_assignments(columns), thread=_THREAD)


def finish_turn(columns: Iterable[str], *, default_title: bool) -> Composed:
    # The turn stays on the thread after its lease, so that finishing twice works.
    title = SQL(", title = coalesce(title, %(default_title)s::json)" if default_title else "")
    return SQL("""
        update chatkit.threads set lease_until = null{title}{assignments}
        where id = %(thread)s and user_id = %(user)s and not deleted and turn_id = %(turn)s
        returning {thread}
    """).format(title=title, assignments=_assignments(columns), thread=_THREAD)


def _assignments(columns: Iterable[str]) -> Composed:
    return SQL("").join(
        SQL(", {} = {}").format(Identifier(column), Placeholder(column)) for column in columns
    )


PING: Final = SQL("select 1")

# Threads

SAVE_THREAD: Final = SQL("""
    insert into chatkit.threads (
        id, user_id, created_at, title, status, status_reason, allowed_image_domains, metadata
    ) values (
        %(thread)s, %(user)s, %(created_at)s, %(title)s, %(status)s, %(status_reason)s,
        %(allowed_image_domains)s, %(metadata)s
    )
    on conflict (id) do update set
        title = excluded.title,
        status = excluded.status,
        status_reason = excluded.status_reason,
        allowed_image_domains = excluded.allowed_image_domains,
        metadata = excluded.metadata
    where threads.user_id = excluded.user_id and not threads.deleted
    returning id
""")

LOAD_THREAD: Final = SQL("""
    select {thread} from chatkit.threads
    where id = %(thread)s and user_id = %(user)s and not deleted
""").format(thread=_THREAD)

# The place of a deleted thread counts.
THREAD_EXISTED: Final = SQL("""
    select id from chatkit.threads where id = %(after)s and user_id = %(user)s
""")

THREADS_PAGE: Final = _pages(
    SQL("""
    select {thread} from chatkit.threads
    where user_id = %(user)s and not deleted and seq {beyond} coalesce(
        (select seq from chatkit.threads where id = %(after)s and user_id = %(user)s), {first}
    )
    order by seq {order} limit %(limit)s
""")
)

THREAD_IS_DELETED: Final = SQL("""
    select deleted from chatkit.threads where id = %(thread)s and user_id = %(user)s
""")

DELETE_THREAD: Final = SQL("""
    update chatkit.threads set
        deleted = true, title = null, status = 'active', status_reason = null,
        allowed_image_domains = null, metadata = '{}', turn_id = null, lease_until = null
    where id = %(thread)s and user_id = %(user)s and not deleted
""")

# After DELETE_THREAD: its lock made those wait who were about to add an item.
DELETE_ITEMS: Final = SQL("""
    delete from chatkit.items where thread_id = %(thread)s and user_id = %(user)s
""")

# Items

# Locks the thread's row, so that items get their places in the order in which they appear, and a
# thread that is being deleted gets none. An id that another thread has violates the primary key.
_PUT_ITEM: Final = SQL("""
    insert into chatkit.items (id, thread_id, user_id, kind, data)
    select %(item)s::text, held.id, held.user_id, %(kind)s::text, %(data)s::json
    from (
        select id, user_id from chatkit.threads
        where id = %(thread)s and user_id = %(user)s and not deleted and {condition}
        for no key update
    ) as held
    on conflict (thread_id, id) do update set kind = excluded.kind, data = excluded.data
    where items.data is not null
    returning id
""")

PUT_ITEM: Final = _PUT_ITEM.format(condition=SQL("true"))

ITEM_EXISTED: Final = SQL("""
    select exists (
        select from chatkit.items
        where id = %(after)s and thread_id = %(thread)s and user_id = %(user)s
    )
    from chatkit.threads where id = %(thread)s and user_id = %(user)s and not deleted
""")

ITEMS_PAGE: Final = _pages(
    SQL("""
    select data::text from chatkit.items
    where thread_id = %(thread)s and user_id = %(user)s and data is not null
    and seq {beyond} coalesce(
        (
            select seq from chatkit.items
            where id = %(after)s and thread_id = %(thread)s and user_id = %(user)s
        ),
        {first}
    )
    order by seq {order} limit %(limit)s
""")
)

LOAD_ITEM: Final = SQL("""
    select data::text from chatkit.items
    where id = %(item)s and thread_id = %(thread)s and user_id = %(user)s and data is not null
""")

ITEM_IS_DELETED: Final = SQL("""
    select data is null from chatkit.items
    where id = %(item)s and thread_id = %(thread)s and user_id = %(user)s
""")

DELETE_ITEM: Final = SQL("""
    update chatkit.items set data = null
    where id = %(item)s and thread_id = %(thread)s and user_id = %(user)s
""")

# Feedback

DELETE_FEEDBACK: Final = SQL("""
    delete from chatkit.feedback
    where item_id = %(item)s and thread_id = %(thread)s and user_id = %(user)s
""")

ADD_FEEDBACK: Final = SQL("""
    with visible as (
        select id from chatkit.items
        where id = any(%(items)s) and thread_id = %(thread)s and user_id = %(user)s
        and data is not null and kind not in ('hidden_context_item', 'sdk_hidden_context')
    ), stored as (
        insert into chatkit.feedback (item_id, user_id, thread_id, kind)
        select id, %(user)s, %(thread)s, %(kind)s from visible
        where (select count(*) from visible) = %(count)s
        on conflict (item_id, user_id) do update set kind = excluded.kind, updated_at = now()
    )
    select id from visible
""")

# Turns: separate statements and not one `with`. A statement that waited for the previous turn's
# row would read the items as they were before it waited, without the last answer.

# Not now(), which stands still from the first statement on, however long that waits.
_IS_FREE: Final = SQL("""
    threads.status = 'active' and (
        threads.lease_until is null
        or threads.lease_until < clock_timestamp()
        or threads.turn_id = %(turn)s
    )
""")
_LEASE_END: Final = SQL("clock_timestamp() + make_interval(secs => %(lease)s)")

CREATE_LEASED: Final = SQL("""
    insert into chatkit.threads (
        id, user_id, created_at, title, status, status_reason, allowed_image_domains, metadata,
        turn_id, lease_until
    ) values (
        %(thread)s, %(user)s, %(created_at)s, %(title)s, %(status)s, %(status_reason)s,
        %(allowed_image_domains)s, %(metadata)s, %(turn)s, {lease_end}
    )
    on conflict (id) do update set
        turn_id = excluded.turn_id, lease_until = excluded.lease_until
    where threads.user_id = excluded.user_id and not threads.deleted and {is_free}
    returning id
""").format(lease_end=_LEASE_END, is_free=_IS_FREE)

LEASE: Final = SQL("""
    update chatkit.threads set turn_id = %(turn)s, lease_until = {lease_end}
    where id = %(thread)s and user_id = %(user)s and not deleted and {is_free}
    returning id
""").format(lease_end=_LEASE_END, is_free=_IS_FREE)

PUT_MESSAGE: Final = _PUT_ITEM.format(condition=SQL("status = 'active' and turn_id = %(turn)s"))

HISTORY: Final = SQL("""
    select data::text from chatkit.items
    where thread_id = %(thread)s and user_id = %(user)s and data is not null
    order by seq desc limit %(history)s
""")

RENEW: Final = SQL("""
    update chatkit.threads set lease_until = {lease_end}
    where id = %(thread)s and user_id = %(user)s and not deleted
    and turn_id = %(turn)s and lease_until is not null
    returning id
""").format(lease_end=_LEASE_END)

HOLD: Final = SQL("""
    select id from chatkit.threads
    where id = %(thread)s and user_id = %(user)s and not deleted and turn_id = %(turn)s
    for no key update
""")

PUT_ANSWER: Final = _PUT_ITEM.format(condition=SQL("turn_id = %(turn)s"))
