-- What demand would have done for the list of $1 since its rehearsal began, beside what the list has done for the same keys.
with kept as (
    select r.*, openbell.now() as t from openbell.rehearsal r
    where r.product = $1 and exists (select 1 from openbell.poll l where l.product = r.product and l.key = r.key)
), ended as (
    select h.key, count(*) as refreshes, count(*) filter (where h.outcome = 'failed') as failed, sum(h.cost_micro) as cost_micro
    from openbell.job_history h join kept k on k.key = h.key
    where h.product = $1 and h.finished_at > (select min(begun_at) from kept) and h.finished_at > k.begun_at
        and h.outcome in ('done', 'unchanged', 'empty', 'outdated', 'failed')
    group by h.key
), spent as (
    select s.key, count(*) as calls, sum((s.took ->> 'bytes')::bigint) as bytes
    from openbell.spend s join kept k on k.key = s.key
    where s.product = $1 and s.intended_at > (select min(begun_at) from kept) and s.intended_at > k.begun_at and s.state <> 'released'
    group by s.key
)
select min(k.begun_at) as since, count(*) as keys, coalesce(sum(k.looks), 0)::bigint as looks, coalesce(sum(k.waits), 0)::bigint as waits,
    coalesce(sum(k.refreshes), 0)::bigint as rehearsed, coalesce(sum(e.refreshes), 0)::bigint as refreshes,
    coalesce(sum(e.failed), 0)::bigint as failed, coalesce(sum(s.calls), 0)::bigint as calls, coalesce(sum(s.bytes), 0)::bigint as bytes,
    coalesce(sum(e.cost_micro), 0)::bigint as cost_micro,
    count(*) filter (where k.refreshes > coalesce(e.refreshes, 0) + 1) as dearer
from kept k
left join ended e on e.key = k.key
left join spent s on s.key = k.key
having count(*) > 0
