-- How many jobs of the last $1 waited and ran how long, by product: bucket n is below the n-th of the edges $2 (seconds), the
-- last one above them all.
select h.product, d.what, width_bucket(d.took_s, $2::float8[]) as bucket, count(*) as jobs
from openbell.job_history h
cross join lateral (values
    ('wait', extract(epoch from h.started_at - h.queued_at)::float8),
    ('run', extract(epoch from h.finished_at - h.started_at)::float8)
) d (what, took_s)
where h.finished_at > (select openbell.now()) - $1::interval and h.started_at is not null and h.code is distinct from 'skipped'
group by 1, 2, 3 order by 1, 2, 3
