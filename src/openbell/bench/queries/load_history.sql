-- Finished jobs over the last days, oldest first, as they would have come.
insert into openbell.job_history (
    id, product, key, job_class, outcome, attempts, queued_at, started_at, finished_at, worker, cost_micro)
select -n, p.name, 'past-' || n, p.job_class, 'done', 1, t.at - interval '1 second', t.at - interval '10 ms', t.at, 1, 0
from openbell.product p, generate_series($2::bigint, 1, -1) as n,
    lateral (select openbell.now() - n * interval '1 day' / $2::bigint as at) t
where p.name = $1
