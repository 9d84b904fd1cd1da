-- What is live, by class; the oldest of those that wait.
select j.job_class,
    count(*) filter (where j.token is null and j.parked_until is null) as waiting,
    count(*) filter (where j.token is null and j.parked_until is not null) as parked,
    count(*) filter (where j.token is not null) as running,
    (openbell.now() - min(j.queued_at) filter (where j.token is null and j.parked_until is null)) as oldest_wait
from openbell.job j
group by j.job_class order by j.job_class
