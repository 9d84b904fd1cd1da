select j.id, j.product, j.key, j.job_class, j.number, j.state::text as state, j.attempt, j.max_attempts, j.queued_at, nullif(j.parked_until, 'infinity') as run_at,
    j.started_at, null::timestamptz as finished_at, j.worker, j.reason, j.progress, j.cancelled_by,
    null::text as code, null::text as message, null::integer as version, null::bigint as cost_micro, coalesce(j.trail, '[]') as trail
from openbell.job j
where ($1::text is null or j.state::text = $1) and ($2::text is null or j.product = $2) and ($3::text is null or j.key = $3)
    and ($4::smallint is null or j.job_class = $4)
order by j.token is not null desc, j.job_class, j.number desc, j.id
limit $5
