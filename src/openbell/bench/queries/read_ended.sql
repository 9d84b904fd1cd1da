-- The jobs of one measurement, by their ids.
select count(*) as jobs, count(*) filter (where outcome = 'done') as done, extract(epoch from min(started_at))::float8 as began
from openbell.job_history where id between $1 and $2
