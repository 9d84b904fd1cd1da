update openbell.job set state = 'waiting'
where id in (
    select j.id from openbell.job j
    where j.state = 'parked' and j.run_at <= openbell.now()
    order by j.run_at limit $1 for update skip locked
)
returning id
