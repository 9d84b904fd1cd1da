update openbell.job set parked_until = null
where id in (
    select j.id from openbell.job j
    where j.parked_until <= (select openbell.now())
    order by j.parked_until limit $1 for update skip locked
)
returning id
