"""The SQL. Every statement asks whose row it is: `%(user)s`."""

from collections.abc import Iterable
from typing import Final

from psycopg.sql import SQL, Composed, Identifier, Placeholder

_THREAD: Final = SQL(
    "id, created_at, title, status, status_reason, allowed_image_domains, metadata"
)


def _pages(statement: SQL) -> dict[str, Composed]:
    return {
        "asc": statement.format(
            # Threads that were imported come before all others, at places below zero.
            thread=_THREAD,
            beyond=SQL(">"),
            first=SQL("'-9223372036854775808'::bigint"),
            order=SQL("asc"),
        ),
        "desc": statement.format(
            thread=_THREAD, beyond=SQL("<"), first=SQL("9223372036854775807"), order=SQL("desc")
        ),
    }


def update_thread(columns: Iterable[str]) -> Composed:
    # The owner is assigned so that there is something to assign when nothing changes.
    return SQL("""
        update chatkit.threads set user_id = user_id{assignments}
        where id = %(thread)s and user_id = %(user)s and not deleted and {fence}
        returning {thread}
    """).format(assignments=_assignments(columns), thread=_THREAD, fence=_FENCE)


def finish_turn(columns: Iterable[str], *, default_title: bool) -> Composed:
    # The turn stays on the thread after its lease, so that finishing twice works.
    title = SQL(", title = coalesce(title, %(default_title)s::json)" if default_title else "")
    return SQL("""
        update chatkit.threads
        set lease_until = null, stop_turn = null, turn_state = %(state)s{title}{assignments}
        where id = %(thread)s and user_id = %(user)s and not deleted and turn_id = %(turn)s
        returning {thread}
    """).format(title=title, assignments=_assignments(columns), thread=_THREAD)


def _assignments(columns: Iterable[str]) -> Composed:
    return SQL("").join(
        SQL(", {} = {}").format(Identifier(column), Placeholder(column)) for column in columns
    )


PING: Final = SQL("select 1")

# A context that belongs to a turn writes only while that turn holds the thread: a process that was
# paused must not write late. The first statement locks the thread for those that follow it.
_FENCE: Final = SQL("(%(turn)s::text is null or threads.turn_id = %(turn)s)")

HOLD_THREAD: Final = SQL("""
    select {fence} from chatkit.threads
    where id = %(thread)s and user_id = %(user)s and not deleted
    for no key update
""").format(fence=_FENCE)

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
    where threads.user_id = excluded.user_id and not threads.deleted and {fence}
    returning id
""").format(fence=_FENCE)

LOAD_THREAD: Final = SQL("""
    select {thread} from chatkit.threads
    where id = %(thread)s and user_id = %(user)s and not deleted
""").format(thread=_THREAD)

# The place of a deleted thread counts.
THREAD_EXISTED: Final = SQL("""
    select id from chatkit.threads where id = %(after)s and user_id = %(user)s
""")

# Imported threads of one time may share a place, where they come from several files.
THREADS_PAGE: Final = _pages(
    SQL("""
    select {thread} from chatkit.threads
    where user_id = %(user)s and not deleted and (seq, id) {beyond} (
        coalesce(
            (select seq from chatkit.threads where id = %(after)s and user_id = %(user)s), {first}
        ),
        %(after)s::text
    )
    order by seq {order}, id {order} limit %(limit)s
""")
)

THREAD_IS_DELETED: Final = SQL("""
    select deleted from chatkit.threads where id = %(thread)s and user_id = %(user)s
""")

DELETE_THREAD: Final = SQL("""
    update chatkit.threads set
        deleted = true, deleted_at = now(), title = null, status = 'active', status_reason = null,
        allowed_image_domains = null, metadata = '{}', turn_id = null, lease_until = null,
        turn_state = null, stop_turn = null
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
    insert into chatkit.items (id, thread_id, user_id, kind, data, turn_id)
    select %(item)s::text, held.id, held.user_id, %(kind)s::text, %(data)s::json, %(turn)s::text
    from (
        select id, user_id from chatkit.threads
        where id = %(thread)s and user_id = %(user)s and not deleted and {condition}
        for no key update
    ) as held
    on conflict (thread_id, id) do update set kind = excluded.kind, data = excluded.data
    where items.data is not null
    returning id
""")

PUT_ITEM: Final = _PUT_ITEM.format(condition=_FENCE)

ITEM_EXISTED: Final = SQL("""
    select exists (
        select from chatkit.items
        where id = %(after)s and thread_id = %(thread)s and user_id = %(user)s
    )
    from chatkit.threads where id = %(thread)s and user_id = %(user)s and not deleted
""")

ITEMS_PAGE: Final = _pages(
    SQL("""
    select data::text, id from chatkit.items
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

# Behind HOLD_THREAD.
DELETE_ITEM: Final = SQL("""
    update chatkit.items set data = null
    where id = %(item)s and thread_id = %(thread)s and user_id = %(user)s and (
        %(turn)s::text is null
        or exists (select from chatkit.threads where id = %(thread)s and turn_id = %(turn)s)
    )
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

_IS_ANSWERED: Final = SQL("not exists (select from chatkit.answering where mode = 'off')")

# Not now(), which stands still from the first statement on, however long that waits.
_IS_FREE: Final = SQL("""
    threads.status = 'active' and (
        threads.lease_until is null
        or threads.lease_until < clock_timestamp()
        or threads.turn_id = %(turn)s
    ) and {is_answered}
""").format(is_answered=_IS_ANSWERED)
_LEASE_END: Final = SQL("clock_timestamp() + make_interval(secs => %(lease)s)")

# The server of the last turn died: its answer is over. The next turn is told so, once.
CLOSE_INTERRUPTED: Final = SQL("""
    with dead as (
        update chatkit.threads set turn_state = 'interrupted'
        where id = %(thread)s and user_id = %(user)s and not deleted
        and turn_state = 'running' and turn_id <> %(turn)s and lease_until < clock_timestamp()
        returning id, user_id, turn_id
    )
    insert into chatkit.items (id, thread_id, user_id, kind, data, turn_id)
    select %(item)s::text, dead.id, dead.user_id, %(kind)s::text, %(data)s::json, dead.turn_id
    from dead
    on conflict (id) do nothing
""")

CREATE_LEASED: Final = SQL("""
    insert into chatkit.threads (
        id, user_id, created_at, title, status, status_reason, allowed_image_domains, metadata,
        turn_id, turn_state, lease_until
    )
    select %(thread)s::text, %(user)s::text, %(created_at)s::timestamptz, %(title)s::json,
        %(status)s::text, %(status_reason)s::json, %(allowed_image_domains)s::json,
        %(metadata)s::json, %(turn)s::text, 'running', {lease_end}
    where {is_answered}
    on conflict (id) do update set
        turn_id = excluded.turn_id, turn_state = 'running', lease_until = excluded.lease_until
    where threads.user_id = excluded.user_id and not threads.deleted and {is_free}
    returning null
""").format(lease_end=_LEASE_END, is_free=_IS_FREE, is_answered=_IS_ANSWERED)

# How the turn before it ended, which is what a query in `returning` still sees.
_STATE_BEFORE: Final = SQL("""
    (
        select case
            when turn_id = %(turn)s then null
            when turn_state = 'running' then 'interrupted'
            else turn_state
        end
        from chatkit.threads as before where before.id = threads.id
    )
""")

LEASE: Final = SQL("""
    update chatkit.threads
    set turn_id = %(turn)s, turn_state = 'running', lease_until = {lease_end}, stop_turn = null,
        followed_until = null, retried = null
    where id = %(thread)s and user_id = %(user)s and not deleted and {is_free}
    returning {state_before}
""").format(lease_end=_LEASE_END, is_free=_IS_FREE, state_before=_STATE_BEFORE)

_RETRIED: Final = SQL("""
    select {column} from chatkit.items
    where id = %(retry)s and thread_id = %(thread)s and user_id = %(user)s and data is not null
""")

RETRIED: Final = _RETRIED.format(column=SQL("kind"))

LEASE_FOR_RETRY: Final = SQL("""
    update chatkit.threads
    set turn_id = %(turn)s, turn_state = 'running', lease_until = {lease_end}, stop_turn = null,
        followed_until = null, retried = %(retry)s
    where id = %(thread)s and user_id = %(user)s and not deleted and {is_free}
    and ({kind}) = 'user_message'
    returning {state_before}
""").format(lease_end=_LEASE_END, is_free=_IS_FREE, kind=RETRIED, state_before=_STATE_BEFORE)

PUT_MESSAGE: Final = _PUT_ITEM.format(condition=SQL("status = 'active' and turn_id = %(turn)s"))

_HISTORY: Final = SQL("""
    select data::text from chatkit.items
    where thread_id = %(thread)s and user_id = %(user)s and data is not null{until}
    order by seq desc limit %(history)s
""")

HISTORY: Final = _HISTORY.format(until=SQL(""))

HISTORY_UNTIL_RETRIED: Final = _HISTORY.format(
    until=SQL(" and seq <= ({seq})").format(seq=_RETRIED.format(column=SQL("seq")))
)

# Not once the turn has finished: a checkpoint that is late would bring a partial answer back.
_RUNS: Final = SQL("turn_id = %(turn)s and lease_until is not null")

RENEW: Final = SQL("""
    update chatkit.threads set lease_until = {lease_end}
    where id = %(thread)s and user_id = %(user)s and not deleted and {runs}
    returning stop_turn is not distinct from turn_id or not {is_answered},
        coalesce(followed_until > clock_timestamp(), false)
""").format(lease_end=_LEASE_END, runs=_RUNS, is_answered=_IS_ANSWERED)

PUT_CHECKPOINT: Final = _PUT_ITEM.format(condition=_RUNS)

HOLD: Final = SQL("""
    select id from chatkit.threads
    where id = %(thread)s and user_id = %(user)s and not deleted and turn_id = %(turn)s
    for no key update
""")

PUT_ANSWER: Final = _PUT_ITEM.format(condition=SQL("turn_id = %(turn)s"))

_HOLDS: Final = SQL("""
    exists (
        select from chatkit.threads
        where id = %(thread)s and user_id = %(user)s and {condition}
    )
""")

# Behind HOLD or RENEW, which lock the thread.
_REMOVE_ITEMS: Final = SQL("""
    update chatkit.items set data = null
    where id = any(%(removed)s) and thread_id = %(thread)s and user_id = %(user)s
    and turn_id = %(turn)s and {holds}
""")

REMOVE_AT_CHECKPOINT: Final = _REMOVE_ITEMS.format(holds=_HOLDS.format(condition=_RUNS))

REMOVE_AT_END: Final = _REMOVE_ITEMS.format(
    holds=_HOLDS.format(condition=SQL("turn_id = %(turn)s"))
)

# What a retry replaces: everything behind its message but what it has added itself.
_REPLACE_ITEMS: Final = SQL("""
    with replaced as (
        update chatkit.items set data = null
        where thread_id = %(thread)s and user_id = %(user)s and data is not null
        and turn_id is distinct from %(turn)s and {holds}
        and seq > ({seq})
        returning id
    )
    delete from chatkit.feedback using replaced
    where feedback.item_id = replaced.id and feedback.user_id = %(user)s
""")

REPLACE_ITEMS: Final = _REPLACE_ITEMS.format(
    holds=_HOLDS.format(condition=SQL("turn_id = %(turn)s")), seq=_RETRIED.format(column=SQL("seq"))
)

# A checkpoint that is late would take the old answer away, and bring no new one.
REPLACE_AT_CHECKPOINT: Final = _REPLACE_ITEMS.format(
    holds=_HOLDS.format(condition=_RUNS), seq=_RETRIED.format(column=SQL("seq"))
)

STOP: Final = SQL("""
    update chatkit.threads set stop_turn = turn_id
    where id = %(thread)s and user_id = %(user)s and not deleted
    and turn_state = 'running' and lease_until > clock_timestamp()
    returning turn_id
""")

# Not at each look, which would be a write each half second.
FOLLOW: Final = SQL("""
    update chatkit.threads set followed_until = clock_timestamp() + interval '10 seconds'
    where id = %(thread)s and user_id = %(user)s and not deleted and turn_state = 'running'
    and (followed_until is null or followed_until < clock_timestamp() + interval '6 seconds')
""")

LOAD_TURN: Final = SQL("""
    select turn_id, case
        when turn_state = 'running' and lease_until < clock_timestamp() then 'interrupted'
        else turn_state
    end
    from chatkit.threads where id = %(thread)s and user_id = %(user)s and not deleted
""")

TURN_ITEMS: Final = SQL("""
    select data::text from chatkit.items
    where thread_id = %(thread)s and user_id = %(user)s and data is not null
    and turn_id = coalesce(%(asked)s::text, (
        select turn_id from chatkit.threads where id = %(thread)s and user_id = %(user)s
    ))
    order by seq desc limit %(history)s
""")

# Of a retry: what `REPLACE_ITEMS` takes away while it runs, and what it has taken away by now. Also
# once it is over: whoever began to follow it just before has still seen that.
REPLACED: Final = SQL("""
    select items.id from chatkit.threads
    join chatkit.items retried on retried.id = threads.retried
        and retried.thread_id = threads.id and retried.user_id = threads.user_id
    join chatkit.items on items.thread_id = threads.id and items.user_id = threads.user_id
        and items.seq > retried.seq
        and items.turn_id is distinct from threads.turn_id
    where threads.id = %(thread)s and threads.user_id = %(user)s and not threads.deleted
    and (threads.turn_state = 'running' or items.data is null)
    order by items.seq
""")

# Turns that are brought late: they never held the thread, or have lost it.

RESTORE_THREAD: Final = SQL("""
    insert into chatkit.threads (
        id, user_id, created_at, title, status, status_reason, allowed_image_domains, metadata,
        turn_id, turn_state
    )
    select %(thread)s::text, %(user)s::text, %(created_at)s::timestamptz, %(title)s::json,
        %(status)s::text, %(status_reason)s::json, %(allowed_image_domains)s::json,
        %(metadata)s::json, %(turn)s::text, %(state)s::text
    where not exists (
        select from chatkit.erasures
        where user_id = %(user)s and erased_at >= %(created_at)s::timestamptz
    )
    on conflict (id) do nothing
""")

# An item that is there is left as it is, unless it is what this turn has stored of it before.
RESTORE_ITEM: Final = SQL("""
    insert into chatkit.items (id, thread_id, user_id, kind, data, turn_id)
    select %(item)s::text, held.id, held.user_id, %(kind)s::text, %(data)s::json, %(turn)s::text
    from (
        select id, user_id from chatkit.threads
        where id = %(thread)s and user_id = %(user)s and not deleted
        for no key update
    ) as held
    on conflict (thread_id, id) do update set kind = excluded.kind, data = excluded.data
    where items.data is not null and (
        items.turn_id = excluded.turn_id
        or exists (
            select from chatkit.threads where id = excluded.thread_id and turn_id = excluded.turn_id
        )
    )
""")

# An item that was just added, though others have spoken since, goes behind what its turn has said
# before: the places of all that follows turn by one.
PLACE_RESTORED: Final = SQL("""
    update chatkit.items set seq = turned.seq
    from (
        select id, coalesce(lead(seq) over (order by seq), min(seq) over ()) as seq,
            first_value(id) over (order by seq desc) as last
        from chatkit.items
        where thread_id = %(thread)s and user_id = %(user)s and seq > (
            select max(seq) from chatkit.items
            where thread_id = %(thread)s and user_id = %(user)s
            and turn_id = %(turn)s and id <> %(item)s
        )
    ) as turned
    where items.id = turned.id and items.seq <> turned.seq and turned.last = %(item)s
""")

REMOVE_RESTORED: Final = SQL("""
    update chatkit.items set data = null
    where id = any(%(removed)s) and thread_id = %(thread)s and user_id = %(user)s
    and turn_id = %(turn)s
""")

RESTORE_TITLE: Final = SQL("""
    update chatkit.threads set title = %(default_title)s::json
    where id = %(thread)s and user_id = %(user)s and not deleted and title is null
    and %(default_title)s::json is not null
""")

# By anybody: an id that never was may still come, one of somebody else's never does.
ID_IS_TAKEN: Final = SQL("select id from chatkit.threads where id = %(thread)s")

PRESENT_ITEMS: Final = SQL("""
    select id from chatkit.items
    where id = any(%(items)s) and thread_id = %(thread)s and user_id = %(user)s
    and data is not null
""")
