-- What is at work or could be; when the next one is that waits a moment for another; until when nobody may be asked; and how many jobs have ended, which tells a slow machine from one that stands.
select count(*) filter (where j.parked_until is null) as ready, count(*) filter (where j.token is not null) as running,
    (select max(a.blocked_until) from openbell.account a where a.blocked_until > openbell.now()) as blocked_until, openbell.now() as now,
    min(j.parked_until) filter (where j.parked_until <= openbell.now() + interval '10 seconds') as soon,
    coalesce((select max(h.id) from openbell.job_history h), 0) as ended
from openbell.job j
