-- The jobs of one measurement: those above its first place.
select count(*) as jobs, count(distinct id) as ids, count(*) filter (where outcome = 'done') as done,
    extract(epoch from min(started_at))::float8 as began
from openbell.job_history where id > $1
