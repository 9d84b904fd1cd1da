-- One beat for the whole process: it renews the lease of every job it runs, learns which of them to cancel,
-- whether anybody's lease has run out, whether there are limits on what runs at once, and, when it asks ($6), whether
-- any job waits of which no hint has told it.
with beat as (
    update openbell.worker w
    set beat_at = openbell.now(), expires_at = openbell.now() + $2::interval, draining = $3, counters = $4::jsonb
    where w.id = $1 and not w.gone
    returning w.id
)
select (select beat.id from beat) is not null as registered,
    array(select j.id from openbell.job j where j.id = any ($5::bigint[]) and j.worker = $1 and j.cancelled_by is not null) as cancelled,
    exists (select 1 from openbell.worker w where w.expires_at <= openbell.now() and not w.gone and w.id <> $1) as lost,
    exists (select 1 from openbell.seat_limit) as limited,
    case when $6 then exists (select 1 from openbell.job j where j.parked_until is null and j.token is null) else false end as waiting
