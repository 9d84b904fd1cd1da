-- How far an edition is. Where it should go on and no job is left that would, it has failed, whoever died.
select s.edition, s.person_id, s.week, s.reason, s.batch, s.failures, s.queued_at, s.status_at, j.id as job_id,
    case when s.status in ('complete', 'error') or j.id is not null then s.status else 'error' end as status,
    case when s.status in ('complete', 'error') or j.id is not null then s.code else coalesce(s.code, 'lost') end as code,
    coalesce(s.message, case when s.status not in ('complete', 'error') and j.id is null then (
        select h.message from openbell.job_history h where h.id = s.job_id order by h.finished_at desc limit 1) end) as message,
    j.state as job_state, j.progress
from openbell.picks_slot s
left join lateral (
    select j.id, j.progress, case when j.token is not null then 'running' when j.parked_until is not null then 'parked' else 'waiting' end as state
    from openbell.job j
    where (j.product = 'picks-edition' and j.key = s.edition) or (j.product = 'picks-batch' and j.key = s.week || '|' || s.batch)
    order by j.product desc limit 1
) j on true
where s.edition = $1
