-- What one hold leaves behind there.
create table bench.vault_hold (
    id      bigint      generated always as identity primary key,
    vault   integer     not null,
    amount  bigint      not null,
    made_at timestamptz not null default clock_timestamp()
)
