-- Parked jobs whose needs have all been met by now, whichever way: publishing wakes them too, but may miss one that was
-- being queued at the same moment. And those that would look again by themselves, as soon as a need of theirs has failed.
with clock as materialized (
    select openbell.now() as t
), ripe as (
    select n.job_id from clock, openbell.need n
    join openbell.job j on j.id = n.job_id
    left join openbell.artifact a on a.product = n.product and a.key = n.key
    left join openbell.cooldown c on c.product = n.product and c.key = n.key
    left join openbell.job w on w.product = n.product and w.key = n.key
    group by n.job_id
    having bool_and(coalesce(a.fresh_until > clock.t, false))
        or bool_or(w.id is null and j.parked_until < 'infinity' and coalesce(c.retry_at > clock.t, false))
), forgotten as (
    delete from openbell.need n using ripe where n.job_id = ripe.job_id
)
update openbell.job j set parked_until = null, reason = null
from ripe where j.id = ripe.job_id and j.token is null
returning j.id
