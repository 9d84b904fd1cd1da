-- phase: expand
--
-- Several keys of one provider. Each has accounts of its own, since what a provider counts, it counts by key: the first
-- keeps the accounts of the provider's name, the others have a subject of their own. A call is held on one key's accounts.
alter table openbell.account add column credential text, add column key_of text;
comment on column openbell.account.credential is 'the name of the key whose account it is (k1, k2), where a provider has several; never the key';
comment on column openbell.account.key_of is 'the provider that the key belongs to; null for a key that is in use no longer';
alter table openbell.spend add column credential text;
comment on column openbell.spend.credential is 'the name of the key that the call was held on, where its provider has several';

-- What was prefetched: made from spare budget, before anybody asked. `opened` once somebody does while it is fresh.
create table openbell.prefetch (
    product    text        not null references openbell.product (name),
    key        text        not null,
    asked_at   timestamptz not null,
    made_at    timestamptz,
    fresh_until timestamptz,
    primary key (product, key)
) with (fillfactor = 50);

create table openbell.prefetch_count (
    product text   not null references openbell.product (name),
    day     date   not null,
    made    bigint not null default 0,
    hits    bigint not null default 0,
    missed  bigint not null default 0,
    primary key (product, day)
);
insert into openbell.duty values ('prefetch', '-infinity');
