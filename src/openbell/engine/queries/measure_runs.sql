-- How long the last jobs of the last $1 ran: how many there were, and the median in seconds.
with recent as materialized (
    select extract(epoch from h.finished_at - h.started_at)::float8 as ran_s
    from openbell.job_history h
    where h.finished_at > (select openbell.now()) - $1::interval and h.started_at is not null and h.code is distinct from 'skipped'
    order by h.finished_at desc limit 1000
)
select count(*) as runs, percentile_cont(0.5) within group (order by ran_s) as median_s from recent
