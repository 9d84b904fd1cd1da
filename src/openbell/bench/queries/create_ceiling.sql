-- The least that a durable queue can be: a table with one partial index.
create table bench.ceiling (
    id       bigint      generated always as identity primary key,
    priority smallint    not null default 1,
    taken_at timestamptz,
    key      text,
    args     jsonb       not null
)
