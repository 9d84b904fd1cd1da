-- One beat for the whole process: it renews the lease of every job it runs, learns which of them to cancel,
-- and whether anybody's lease or deadline has run out.
with beat as (
    update openbell.worker w
    set beat_at = openbell.now(), expires_at = openbell.now() + $2::interval, draining = $3, counters = $4::jsonb
    where w.id = $1
    returning w.id
)
select (select beat.id from beat) is not null as registered,
    array(select j.id from openbell.job j where j.worker = $1 and j.state = 'running' and j.cancelled_by is not null) as cancelled,
    exists (
        select 1 from openbell.job j left join openbell.worker w on w.id = j.worker
        where j.state = 'running' and j.worker <> $1
            and (w.id is null or w.expires_at <= openbell.now() or j.deadline + interval '5 seconds' <= openbell.now())
    ) as lost
