-- Parked jobs whose needs have all been met by now, whichever way: publishing wakes them too, but may miss one that was
-- being queued at the same moment.
with met as (
    select n.job_id from openbell.need n
    left join openbell.artifact a on a.product = n.product and a.key = n.key
    group by n.job_id having bool_and(coalesce(a.fresh_until > openbell.now(), false))
), forgotten as (
    delete from openbell.need n using met where n.job_id = met.job_id
)
update openbell.job j set parked_until = null, reason = null
from met where j.id = met.job_id and j.token is null
returning j.id
