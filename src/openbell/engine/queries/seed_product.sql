-- Columns that still hold what the last declaration said follow the new one; columns that an operator set stay.
insert into openbell.product as p (
    name, version, provider, job_class, ttl, stale_ttl, empty_ttl, retry_ttl, keep_for, timeout, max_attempts, max_bytes, calls, bytes, licence, seeded)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16::jsonb)
on conflict (name) do update set
    version = excluded.version, provider = excluded.provider, job_class = excluded.job_class, licence = excluded.licence,
    ttl = case when p.ttl = (p.seeded ->> 'ttl')::interval then excluded.ttl else p.ttl end,
    stale_ttl = case when p.stale_ttl = (p.seeded ->> 'stale_ttl')::interval then excluded.stale_ttl else p.stale_ttl end,
    empty_ttl = case when p.empty_ttl = (p.seeded ->> 'empty_ttl')::interval then excluded.empty_ttl else p.empty_ttl end,
    retry_ttl = case when p.retry_ttl = (p.seeded ->> 'retry_ttl')::interval then excluded.retry_ttl else p.retry_ttl end,
    keep_for = case when p.keep_for = (p.seeded ->> 'keep_for')::interval then excluded.keep_for else p.keep_for end,
    timeout = case when p.timeout = (p.seeded ->> 'timeout')::interval then excluded.timeout else p.timeout end,
    max_attempts = case when p.max_attempts = (p.seeded ->> 'max_attempts')::smallint then excluded.max_attempts else p.max_attempts end,
    max_bytes = case when p.max_bytes = (p.seeded ->> 'max_bytes')::integer then excluded.max_bytes else p.max_bytes end,
    calls = case when p.calls = (p.seeded ->> 'calls')::integer then excluded.calls else p.calls end,
    bytes = case when p.bytes = (p.seeded ->> 'bytes')::bigint then excluded.bytes else p.bytes end,
    seeded = excluded.seeded
where p.seeded is distinct from excluded.seeded
