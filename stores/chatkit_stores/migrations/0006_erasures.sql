-- A deleted thread keeps its place for a month from then on. Null: a server of the version before
-- has deleted it; the next night dates it.
alter table chatkit.threads add column deleted_at timestamptz;

create index threads_deleted on chatkit.threads (user_id) where deleted;

-- Users who had everything about them deleted, for as long as a journal may still bring something.
create table chatkit.erasures (
    user_id text primary key,
    erased_at timestamptz not null default now()
);

-- What one server at a time does, now and then. It holds the chore while held_until lies ahead.
create table chatkit.chores (
    name text primary key,
    holder text,
    held_until timestamptz,
    done_at timestamptz not null default now()
);
