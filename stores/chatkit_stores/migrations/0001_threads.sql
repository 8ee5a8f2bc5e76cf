-- Whatever a user or a model wrote is json: text and jsonb refuse null bytes.

create table chatkit.threads (
    -- The only unique index: with a second one, two inserts of a thread at once could fail on it.
    id text primary key,
    user_id text not null,
    seq bigint generated always as identity,
    created_at timestamptz not null,
    title json,
    status text not null default 'active',
    status_reason json,
    allowed_image_domains json,
    metadata json not null default '{}',
    -- The turn that wrote last. It holds the thread while lease_until lies ahead.
    turn_id text,
    lease_until timestamptz,
    -- A deleted thread keeps its place, without content: a page may start after it.
    deleted boolean not null default false
);

create index threads_in_order on chatkit.threads (user_id, seq) where not deleted;

create table chatkit.items (
    id text primary key,
    thread_id text not null references chatkit.threads (id) on delete cascade,
    user_id text not null,
    seq bigint generated always as identity,
    kind text not null,
    -- Null: the item was deleted and keeps its place only.
    data json,
    unique (thread_id, id)
);

create index items_in_order on chatkit.items (thread_id, seq) where data is not null;

-- A thread has one owner: told so, the planner expects all of a thread's items and reads a page in
-- the index's order, instead of sorting what it takes for a few rows.
create statistics chatkit.items_owner (dependencies) on thread_id, user_id from chatkit.items;

create table chatkit.feedback (
    item_id text not null references chatkit.items (id) on delete cascade,
    user_id text not null,
    thread_id text not null,
    kind text not null check (kind in ('positive', 'negative')),
    updated_at timestamptz not null default now(),
    primary key (item_id, user_id)
);

create table chatkit.attachments (
    id text primary key,
    user_id text not null,
    created_at timestamptz not null default now(),
    data json not null
);
