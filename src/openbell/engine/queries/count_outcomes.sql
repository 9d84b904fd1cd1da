select h.product, h.outcome::text as outcome, count(*) as jobs, sum(h.cost_micro)::bigint as cost_micro,
    percentile_cont(0.5) within group (order by extract(epoch from h.started_at - h.queued_at)) as wait_p50_s,
    percentile_cont(0.99) within group (order by extract(epoch from h.started_at - h.queued_at)) as wait_p99_s,
    percentile_cont(0.5) within group (order by extract(epoch from h.finished_at - h.started_at)) as run_p50_s,
    percentile_cont(0.99) within group (order by extract(epoch from h.finished_at - h.started_at)) as run_p99_s
from openbell.job_history h
where h.finished_at > (select openbell.now()) - $1::interval
group by h.product, h.outcome order by h.product, h.outcome
