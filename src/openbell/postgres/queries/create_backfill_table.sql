-- Data that is moved a batch at a time: how far it is. `cursor` is what the file's statement said last.
create table if not exists openbell.backfill (
    name        text        primary key,
    batch       integer     not null check (batch between 1 and 100000),
    rate        integer     not null check (rate > 0),
    cursor      text,
    rows        bigint      not null default 0,
    batches     bigint      not null default 0,
    error       text,
    started_at  timestamptz not null default clock_timestamp(),
    moved_at    timestamptz,
    finished_at timestamptz
)
