-- By product: how often it was refreshed, the calls and bytes that this took, how long a refresh that somebody had to wait for
-- took from being due until it was stored, and how often it ended in which way.
with ended as (
    select h.product, h.finished_at - h.queued_at as took, h.outcome::text as outcome from openbell.job_history h
    join openbell.product p on p.name = h.product and p.kind = 'artifact'
    where h.started_at is not null and h.code is distinct from 'skipped' and h.outcome not in ('superseded', 'cancelled', 'expired')
), refreshed as (
    select e.product, count(*) as refreshes, count(*) filter (where e.outcome = 'empty') as empty, count(*) filter (where e.outcome = 'failed') as failed,
        extract(epoch from percentile_cont(0.5) within group (order by e.took))::double precision as median_s,
        extract(epoch from percentile_cont(0.99) within group (order by e.took))::double precision as p99_s
    from ended e group by e.product
), spent as (
    select s.product, count(*) as calls, coalesce(sum((s.took ->> 'bytes')::bigint), 0)::bigint as bytes
    from openbell.spend s
    join openbell.product p on p.name = s.product and p.kind = 'artifact'
    where s.state <> 'released' group by s.product
)
select coalesce(r.product, s.product) as product, coalesce(r.refreshes, 0) as refreshes, coalesce(s.calls, 0) as calls,
    coalesce(s.bytes, 0)::bigint as bytes, coalesce(r.empty, 0) as empty, coalesce(r.failed, 0) as failed, r.median_s, r.p99_s
from refreshed r full join spent s on s.product = r.product
order by 1
