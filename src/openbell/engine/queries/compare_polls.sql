-- Both sides of a product's list over a time: the keys that are polled and those that demand has taken over, with what
-- their refreshes took and how old their values are now.
with listed as (
    select l.key, openbell.is_on(f, l.key) as taken_over
    from openbell.poll l left join openbell.flag f on f.name = 'demand-' || l.product
    where l.product = $1
), ended as (
    select h.key, count(*) as refreshes, count(*) filter (where h.outcome = 'failed') as failed,
        count(*) filter (where h.outcome = 'done') as changed, sum(h.attempts) as attempts, sum(h.cost_micro) as cost_micro
    from openbell.job_history h
    where h.product = $1 and h.finished_at > openbell.now() - $2::interval
    group by h.key
), spent as (
    select s.key, count(*) as calls, sum((s.took ->> 'bytes')::bigint) as bytes
    from openbell.spend s
    where s.product = $1 and s.intended_at > (select openbell.now()) - $2::interval
    group by s.key
)
select l.taken_over, count(*) as keys, coalesce(sum(e.refreshes), 0)::bigint as refreshes, coalesce(sum(e.changed), 0)::bigint as changed,
    coalesce(sum(e.failed), 0)::bigint as failed, coalesce(sum(s.calls), 0)::bigint as calls, coalesce(sum(s.bytes), 0)::bigint as bytes,
    coalesce(sum(e.cost_micro), 0)::bigint as cost_micro,
    percentile_cont(0.5) within group (order by extract(epoch from openbell.now() - a.checked_at)) as median_age_s,
    count(*) filter (where a.fresh_until > openbell.now()) as fresh
from listed l
left join ended e on e.key = l.key
left join spent s on s.key = l.key
left join openbell.artifact a on a.product = $1 and a.key = l.key
group by l.taken_over
order by l.taken_over
