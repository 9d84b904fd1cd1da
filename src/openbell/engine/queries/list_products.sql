select name, version, provider, job_class, ttl, stale_ttl, empty_ttl, retry_ttl, keep_for, timeout, max_attempts, max_bytes, calls, bytes, licence,
    enabled, changed_at,
    array_remove(array[
        case when ttl <> (seeded ->> 'ttl')::interval then 'ttl' end,
        case when stale_ttl <> (seeded ->> 'stale_ttl')::interval then 'stale_ttl' end,
        case when empty_ttl <> (seeded ->> 'empty_ttl')::interval then 'empty_ttl' end,
        case when retry_ttl <> (seeded ->> 'retry_ttl')::interval then 'retry_ttl' end,
        case when keep_for <> (seeded ->> 'keep_for')::interval then 'keep_for' end,
        case when timeout <> (seeded ->> 'timeout')::interval then 'timeout' end,
        case when max_attempts <> (seeded ->> 'max_attempts')::smallint then 'max_attempts' end,
        case when max_bytes <> (seeded ->> 'max_bytes')::integer then 'max_bytes' end,
        case when calls <> (seeded ->> 'calls')::integer then 'calls' end,
        case when bytes <> (seeded ->> 'bytes')::bigint then 'bytes' end,
        case when not enabled then 'enabled' end
    ], null) as changed
from openbell.product order by name
