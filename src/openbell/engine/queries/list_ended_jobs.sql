select h.id, h.product, h.key, h.job_class, null::smallint as number, h.outcome::text as state, h.attempts as attempt,
    null::smallint as max_attempts, h.queued_at, null::timestamptz as run_at, h.started_at, h.finished_at,
    h.worker, null::text as reason, null::text as progress, null::text as cancelled_by, h.code, h.message, h.version, h.cost_micro,
    coalesce(h.trail, '[]') as trail
from openbell.job_history h
where ($1::text is null or h.outcome::text = $1) and ($2::text is null or h.product = $2) and ($3::text is null or h.key = $3)
order by h.finished_at desc, h.id desc
limit $4
