alter table chatkit.attachments
    -- Set with the message that carries it; null: not sent yet.
    add column thread_id text,
    -- The upload that wrote last. It holds the attachment while upload_until lies ahead.
    add column upload text,
    add column upload_until timestamptz,
    -- Null: there are no bytes yet.
    add column uploaded_at timestamptz,
    add column size bigint,
    -- Its bytes are to be removed, then the row: as long as there are bytes, there is a row.
    add column deleted boolean not null default false;

create index attachments_unsent on chatkit.attachments (user_id)
where thread_id is null and not deleted;

create index attachments_of_thread on chatkit.attachments (thread_id) where thread_id is not null;

create index attachments_deleted on chatkit.attachments (user_id) where deleted;
