-- The trials of the challenger $1 over the last $2, by its present version: verdicts, and both sides' sums and medians. What
-- failed stands in the history of its jobs.
with clock as materialized (
    select openbell.now() as t
), told as (
    select r.* from clock, openbell.trial r join openbell.product p on p.name = r.challenger
    where r.challenger = $1 and r.at > clock.t - $2::interval and r.producer_version = p.version
), ended as (
    select count(*) filter (where h.outcome = 'failed' and h.code is distinct from 'no_room') as failed,
        count(*) filter (where h.outcome = 'expired' or h.code = 'no_room') as dropped,
        mode() within group (order by h.code) filter (where h.outcome = 'failed' and h.code is distinct from 'no_room') as most_frequent
    from clock, openbell.job_history h
    where h.product = $1 and h.finished_at > clock.t - $2::interval
)
select count(told.id) as trials, count(*) filter (where verdict = 'equal') as equal, count(*) filter (where verdict = 'different') as different,
    count(*) filter (where verdict = 'missing') as missing, count(*) filter (where verdict = 'extra') as extra,
    count(*) filter (where verdict = 'moved') as moved, max(ended.failed) as failed, max(ended.dropped) as dropped,
    max(ended.most_frequent) as most_frequent, count(distinct key) as keys, min(at) as first_at, max(at) as last_at,
    coalesce(sum(calls), 0)::bigint as calls, coalesce(sum(bytes), 0)::bigint as bytes, coalesce(sum(cost_micro), 0)::bigint as cost_micro,
    percentile_cont(0.5) within group (order by took_s) as took_s, percentile_cont(0.5) within group (order by age_s) as age_s,
    coalesce(sum(live_calls), 0)::bigint as live_calls, coalesce(sum(live_bytes), 0)::bigint as live_bytes,
    coalesce(sum(live_cost_micro), 0)::bigint as live_cost_micro,
    percentile_cont(0.5) within group (order by live_took_s) as live_took_s, percentile_cont(0.5) within group (order by live_age_s) as live_age_s
from ended left join told on true
