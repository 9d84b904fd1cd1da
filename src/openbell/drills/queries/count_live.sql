-- What is at work or could be; and until when nobody may be asked.
select count(*) filter (where j.parked_until is null) as ready, count(*) filter (where j.token is not null) as running,
    (select max(a.blocked_until) from openbell.account a where a.blocked_until > openbell.now()) as blocked_until, openbell.now() as now
from openbell.job j
