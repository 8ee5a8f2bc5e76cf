-- Questions that the docs did not answer, for the owner of the site. They go with the reader's thread.
create table chatkit.unanswered (
    item_id text primary key references chatkit.items (id) on delete cascade,
    thread_id text not null,
    user_id text not null,
    asked_at timestamptz not null,
    -- What the search found wanting, or an answer of the model that cites nothing.
    kind text not null check (kind in ('not_covered', 'not_cited')),
    data json not null
);

create index unanswered_in_time on chatkit.unanswered (asked_at);
