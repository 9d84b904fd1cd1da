-- Both sides of a product's list: the keys that are polled and those that demand has taken over, with what their refreshes
-- took and how old their values are now. From the last change of the flag on: before it keys may have been on the other side.
with clock as materialized (
    select openbell.now() as t
), about as materialized (
    select clock.t, greatest(clock.t - $2::interval, f.changed_at) as since, f
    from clock left join openbell.flag f on f.name = 'demand-' || $1::text
), listed as (
    select l.key, openbell.is_on(a.f, l.key) as taken_over from about a, openbell.poll l where l.product = $1
), ended as (
    select h.key, count(*) as refreshes, count(*) filter (where h.outcome = 'failed') as failed,
        count(*) filter (where h.outcome = 'done') as changed, sum(h.cost_micro) as cost_micro
    from openbell.job_history h
    where h.product = $1 and h.finished_at > (select since from about)
    group by h.key
), spent as (
    select s.key, count(*) as calls, sum((s.took ->> 'bytes')::bigint) as bytes
    from openbell.spend s
    where s.product = $1 and s.intended_at > (select since from about)
    group by s.key
)
select l.taken_over, b.since, count(*) as keys, coalesce(sum(e.refreshes), 0)::bigint as refreshes,
    coalesce(sum(e.changed), 0)::bigint as changed, coalesce(sum(e.failed), 0)::bigint as failed,
    coalesce(sum(s.calls), 0)::bigint as calls, coalesce(sum(s.bytes), 0)::bigint as bytes,
    coalesce(sum(e.cost_micro), 0)::bigint as cost_micro,
    percentile_cont(0.5) within group (order by extract(epoch from b.t - a.checked_at)) as median_age_s,
    count(*) filter (where a.fresh_until > b.t) as fresh
from about b, listed l
left join ended e on e.key = l.key
left join spent s on s.key = l.key
left join openbell.artifact a on a.product = $1 and a.key = l.key
group by l.taken_over, b.since
order by l.taken_over
