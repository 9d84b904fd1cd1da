-- The job of an occurrence: the one that was queued for it, or the live one of its key that it has joined.
with joined as (
    update openbell.occurrence o
    set job_id = (select j.id from openbell.job j where j.product = o.product and j.key = o.key)
    where o.schedule = $1 and o.due_at = $2
    returning o.job_id, o.queued_at
), noted as (
    update openbell.schedule s set last_enqueued_at = joined.queued_at from joined where s.name = $1
)
select job_id from joined
