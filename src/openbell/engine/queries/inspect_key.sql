-- Everything that decides when one key is made next; one row also when nothing is known of it. Creates nothing.
select openbell.now() as now,
    p.kind, p.version, p.provider, p.job_class as usual_class, p.enabled, p.changed_at, p.timeout, p.patience, p.calls, p.bytes,
    openbell.lead(p.ttl) as lead,
    c.failures, c.code, c.message, c.at as failed_at, c.retry_at, c.job_id as failed_job,
    j.id, j.state::text as job_state, nullif(j.parked_until, 'infinity') as parked_until, j.job_class, j.number, j.aged, j.attempt, j.max_attempts,
    j.queued_at, j.started_at, j.worker, j.reason, j.progress, j.cancelled_by, j.batch, w.expires_at as lease_until
from (select 1) always
left join openbell.product p on p.name = $1
left join openbell.cooldown c on c.product = $1 and c.key = $2
left join openbell.job j on j.product = $1 and j.key = $2
left join openbell.worker w on w.id = j.worker
