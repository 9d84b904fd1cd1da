-- What a function's file said before, and which files removed something: what older code asks whether it may still serve.
create table if not exists openbell.migration_past (
    name     text not null,
    checksum text not null,
    primary key (name, checksum)
)
