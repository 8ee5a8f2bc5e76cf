-- The switch of the whole site: one row, read with the first statements of each turn.
create table chatkit.answering (
    one boolean primary key default true check (one),
    mode text not null check (mode in ('on', 'quotes', 'off')),
    -- What readers are told; null: our own sentence.
    message text,
    changed_at timestamptz not null default now()
);

insert into chatkit.answering (mode) values ('on');

-- Tokens of a day in UTC, by user; the user '' stands for all together.
create table chatkit.usage (
    day date not null,
    user_id text not null,
    tokens bigint not null,
    primary key (day, user_id)
);
