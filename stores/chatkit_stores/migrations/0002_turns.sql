alter table chatkit.threads
    -- What became of the turn in turn_id. 'running' beside a lease that is over: its server died.
    add column turn_state text
        check (turn_state in ('running', 'completed', 'stopped', 'interrupted', 'failed')),
    -- The turn that was asked to stop, wherever it runs.
    add column stop_turn text,
    -- Until when somebody reads the turn on another replica.
    add column followed_until timestamptz;

-- The turn that added the item, so that a retry can tell the new answer from the old one.
alter table chatkit.items add column turn_id text;
