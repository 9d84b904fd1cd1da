-- A job that has just been parked and whose needs were met while it was still running: publishing wakes parked ones only.
update openbell.job j set parked_until = null, reason = null
where j.id = $1 and j.token is null and j.parked_until is not null
    and not exists (
        select 1 from openbell.need n
        left join openbell.artifact a on a.product = n.product and a.key = n.key
        where n.job_id = j.id and (a.state is distinct from 'value' or a.fresh_until <= openbell.now())
    )
returning j.id
