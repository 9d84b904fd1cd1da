-- Columns that still hold what the last declaration said follow the new one; columns that an operator set stay.
insert into openbell.product as p (
    name, kind, version, provider, job_class, ttl, stale_ttl, empty_ttl, retry_ttl, keep_for, timeout, patience, max_attempts, max_bytes,
    bundle, calls, bytes, licence, seeded)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19::jsonb)
on conflict (name) do update set
    kind = excluded.kind, version = excluded.version, provider = excluded.provider, job_class = excluded.job_class,
    bundle = excluded.bundle, licence = excluded.licence,
    ttl = case when p.ttl is not distinct from (p.seeded ->> 'ttl')::interval then excluded.ttl else p.ttl end,
    stale_ttl = case when p.stale_ttl is not distinct from (p.seeded ->> 'stale_ttl')::interval then excluded.stale_ttl else p.stale_ttl end,
    empty_ttl = case when p.empty_ttl is not distinct from (p.seeded ->> 'empty_ttl')::interval then excluded.empty_ttl else p.empty_ttl end,
    retry_ttl = case when p.retry_ttl is not distinct from (p.seeded ->> 'retry_ttl')::interval then excluded.retry_ttl else p.retry_ttl end,
    keep_for = case when p.keep_for is not distinct from (p.seeded ->> 'keep_for')::interval then excluded.keep_for else p.keep_for end,
    timeout = case when p.timeout is not distinct from (p.seeded ->> 'timeout')::interval then excluded.timeout else p.timeout end,
    patience = case when p.patience is not distinct from (p.seeded ->> 'patience')::interval then excluded.patience else p.patience end,
    max_attempts = case when p.max_attempts is not distinct from (p.seeded ->> 'max_attempts')::smallint then excluded.max_attempts else p.max_attempts end,
    max_bytes = case when p.max_bytes is not distinct from (p.seeded ->> 'max_bytes')::integer then excluded.max_bytes else p.max_bytes end,
    calls = case when p.calls is not distinct from (p.seeded ->> 'calls')::integer then excluded.calls else p.calls end,
    bytes = case when p.bytes is not distinct from (p.seeded ->> 'bytes')::bigint then excluded.bytes else p.bytes end,
    seeded = excluded.seeded
where p.seeded is distinct from excluded.seeded
