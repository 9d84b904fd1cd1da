-- Twenty thousand rows in every table that grows.
insert into openbell.worker (name, slots, expires_at) values ('test', 8, openbell.now() + interval '1 day');
insert into openbell.product (name, kind, version, provider, job_class, ttl, stale_ttl, empty_ttl, retry_ttl, keep_for,
    timeout, patience, max_attempts, max_bytes, bundle, calls, bytes, licence, seeded)
select name, kind, 1, '', 90, '1 min', '1 day', '1 day', '1 min', '1 day', '10 s', '1 day', 5, 1000, bundle, 0, 0, 'cc0', '{}'
from (values ('number', 'artifact', 1), ('small', 'task', 1000)) as p (name, kind, bundle);

insert into openbell.job (product, key, bundled, job_class, max_attempts)
select 'small', 'k' || n, true, 90, 5 from generate_series(1, 20000) as n;

insert into openbell.job (product, key, job_class, max_attempts)
select 'number', 'k' || n, 0, 5 from generate_series(1, 20000) as n;

insert into openbell.job (product, key, job_class, max_attempts, parked_until)
select 'number', 'p' || n, 0, 5, now() + n * interval '1 second' from generate_series(1, 20000) as n;

insert into openbell.artifact (product, key, version, state, checked_at, changed_at, fresh_until, stale_until)
select 'number', 'k' || n, 1, 'value', now(), now(), now(), now() from generate_series(1, 20000) as n;

insert into openbell.version (product, key, version, created_at, value, provenance, producer_version, licence, cost_micro, job_id)
select 'number', 'k' || n, 1, now(), '1', '{}', 1, 'cc0', 0, n from generate_series(1, 20000) as n;

insert into openbell.demand (source, product, key, weight, job_class, expires_at)
select 'web', 'number', 'k' || n, 1, 0, now() + interval '1 hour' from generate_series(1, 20000) as n;

insert into openbell.spend (job_id, product, key, provider, operation, effect, state, intended_at, tried_at, ended_at, timeout, held)
select n, 'number', 'k' || n, 'shop', 'buy', 'repeat', 'settled', now(), now(), now(), '1 s', '{"calls": 1}' from generate_series(1, 20000) as n
