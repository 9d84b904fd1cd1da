-- What is at work or could be, when the next job that waits may go on, when the next schedule is due, when the next provider that
-- nobody may ask now may be asked again, how many calls
-- are under way and were ever begun, and how many jobs have ended.
select count(*) filter (where j.parked_until is null or j.parked_until <= openbell.now()) as ready,
    count(*) filter (where j.token is not null) as running,
    min(j.parked_until) filter (where j.parked_until > openbell.now() and j.parked_until < 'infinity') as parked_until,
    (select min(s.next_at) from openbell.schedule s where s.enabled) as due_at,
    (select count(*) from openbell.schedule s where s.enabled and s.next_at is null and s.problem is null) as unplanned,
    (select min(a.blocked_until) from openbell.account a where a.blocked_until > openbell.now()) as blocked_until,
    (select count(*) from openbell.spend s join openbell.job k on k.token = s.token where s.ended_at is null) as in_flight,
    (select coalesce(max(s.id), 0) from openbell.spend s) as calls, openbell.now() as now, coalesce((select max(h.id) from openbell.job_history h), 0) as ended
from openbell.job j
