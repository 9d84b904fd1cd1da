-- The least that an account can be, for holds one at a time.
create table bench.vault (
    id      integer primary key,
    granted bigint  not null,
    held    bigint  not null default 0,
    check (held <= granted)
) with (fillfactor = 50)
