-- Every item of a batch with where its job is, live or ended; one without a job was fresh when it was submitted.
select i.place, i.key, i.job_id, i.created,
    case
        when i.job_id is null then 'completed'
        when j.id is not null and j.token is not null then 'processing'
        when j.id is not null then 'queued'
        when h.outcome in ('done', 'unchanged', 'empty', 'superseded', 'outdated') then 'completed'
        when h.outcome = 'cancelled' then 'cancelled'
        when h.outcome = 'expired' then 'timeout'
        else 'failed'
    end as status,
    coalesce(j.progress, '') as phase, coalesce(j.attempt, h.attempts, 0) as attempts, j.reason,
    coalesce(j.queued_at, h.queued_at) as queued_at, coalesce(j.started_at, h.started_at) as started_at, h.finished_at,
    coalesce(h.cost_micro, 0) as cost_micro, h.code, h.message,
    extract(epoch from coalesce(h.finished_at, (select openbell.now())) - coalesce(j.started_at, h.started_at))::float8 as duration_s
from openbell.digest_batch_item i
left join openbell.job j on j.id = i.job_id
left join lateral (
    select * from openbell.job_history k where k.id = i.job_id order by k.finished_at desc limit 1
) h on true
where i.batch_id = $1
order by i.place
