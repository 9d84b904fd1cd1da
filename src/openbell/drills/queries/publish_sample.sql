-- A few results that may be copied, and two that may not: a search is what somebody typed, and an edition is somebody's.
with keys (product, key) as (
    values ('quote', 'AAPL'), ('quote', 'MSFT'), ('profile', 'AAPL'), ('symbol-search', $1::text)
), stored as (
    insert into openbell.artifact (product, key, version, state, checked_at, changed_at, fresh_until, stale_until)
    select product, key, 1, 'value', openbell.now(), openbell.now(), openbell.now() + interval '1 hour', openbell.now() + interval '1 day' from keys
    returning product, key
)
insert into openbell.version (product, key, version, created_at, value, provenance, producer_version, licence, cost_micro, job_id)
select product, key, 1, openbell.now(), '{"synthetic": true}', '{}', 1, 'personal', 0, 1 from stored
