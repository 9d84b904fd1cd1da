-- How digests have ended in the last day.
select h.outcome::text as outcome, count(*) as jobs, coalesce(sum(h.cost_micro), 0)::bigint as cost_micro,
    coalesce(avg(extract(epoch from h.finished_at - h.started_at)), 0)::float8 as seconds
from openbell.job_history h
where h.product = 'digest' and h.finished_at > (select openbell.now()) - interval '1 day'
group by 1 order by 1
