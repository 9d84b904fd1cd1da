select j.id, j.product, j.key, j.job_class, j.number, j.state::text as state, j.attempt, j.max_attempts, j.queued_at, nullif(j.parked_until, 'infinity') as run_at,
    j.started_at, null::timestamptz as finished_at, j.worker, j.reason, j.progress, j.cancelled_by,
    null::text as code, null::text as message, null::integer as version, null::bigint as cost_micro, coalesce(j.trail, '[]') as trail
from openbell.job j where j.id = $1
union all
select h.id, h.product, h.key, h.job_class, null, h.outcome::text, h.attempts, null, h.queued_at, null, h.started_at, h.finished_at,
    h.worker, null, null, null, h.code, h.message, h.version, h.cost_micro, coalesce(h.trail, '[]')
from openbell.job_history h where h.id = $1
