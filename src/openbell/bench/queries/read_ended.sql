-- The jobs of one measurement: those above its first place. A key that a sweep has queued again in the moment in which
-- its job ended is skipped as unchanged.
select count(*) filter (where outcome <> 'unchanged') as jobs, count(distinct id) filter (where outcome <> 'unchanged') as ids,
    count(*) filter (where outcome = 'done') as done, extract(epoch from min(started_at))::float8 as began
from openbell.job_history where id > $1
