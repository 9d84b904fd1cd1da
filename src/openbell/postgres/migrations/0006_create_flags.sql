-- phase: expand
--
-- Switches that take effect in every process without a restart, and the fixed lists that one of them switches off.
--
-- A key is always on the same side of a percentage (the bucket of salt and key, the same in SQL and in Python), and a
-- higher percentage keeps everybody who was in at a lower one.
create table openbell.flag (
    name       text        primary key check (name ~ '^[a-z][a-z0-9-]{0,62}$'),
    mode       text        not null default 'off' check (mode in ('off', 'percent', 'on')),
    share      integer     not null default 0 check (share between 0 and 10000),
    salt       text        not null,
    allow      text[]      not null default '{}' check (cardinality(allow) <= 1000),
    deny       text[]      not null default '{}' check (cardinality(deny) <= 1000),
    about      text        not null,
    owner      text        not null,
    remove_by  date        not null,
    changed_at timestamptz not null default openbell.now()
);
comment on column openbell.flag.share is 'of the mode percent: hundredths of a percent';

create function openbell.keep_salt() returns trigger language plpgsql as $$
begin
    raise exception 'the salt of a flag never changes: the keys of % would change sides', old.name
        using errcode = 'OB003', hint = 'declare a flag with another name';
end $$;
create trigger salt_is_frozen before update on openbell.flag
    for each row when (new.salt is distinct from old.salt) execute function openbell.keep_salt();

-- The old way of refreshing: these keys again and again, whether or not somebody looks. The flag 'demand-PRODUCT' takes
-- keys over to demand; without it they stay here.
create table openbell.poll (
    product  text        not null references openbell.product (name),
    key      text        not null,
    added_at timestamptz not null default openbell.now(),
    primary key (product, key)
);
insert into openbell.duty values ('poll', '-infinity');
