select name, kind, version, provider, job_class, ttl, stale_ttl, empty_ttl, retry_ttl, keep_for, timeout, patience, max_attempts, max_bytes,
    bundle, calls, bytes, licence, enabled, changed_at, revision,
    array_remove(array[
        case when ttl is distinct from (seeded ->> 'ttl')::interval then 'ttl' end,
        case when stale_ttl is distinct from (seeded ->> 'stale_ttl')::interval then 'stale_ttl' end,
        case when empty_ttl is distinct from (seeded ->> 'empty_ttl')::interval then 'empty_ttl' end,
        case when retry_ttl is distinct from (seeded ->> 'retry_ttl')::interval then 'retry_ttl' end,
        case when keep_for is distinct from (seeded ->> 'keep_for')::interval then 'keep_for' end,
        case when timeout is distinct from (seeded ->> 'timeout')::interval then 'timeout' end,
        case when patience is distinct from (seeded ->> 'patience')::interval then 'patience' end,
        case when max_attempts is distinct from (seeded ->> 'max_attempts')::smallint then 'max_attempts' end,
        case when max_bytes is distinct from (seeded ->> 'max_bytes')::integer then 'max_bytes' end,
        case when calls is distinct from (seeded ->> 'calls')::integer then 'calls' end,
        case when bytes is distinct from (seeded ->> 'bytes')::bigint then 'bytes' end,
        case when not enabled then 'enabled' end
    ], null) as changed
from openbell.product order by name
