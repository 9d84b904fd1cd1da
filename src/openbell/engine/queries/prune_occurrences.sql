-- Ended occurrences beyond their retention; the last one of each schedule stays.
delete from openbell.occurrence
where (schedule, due_at) in (
    select o.schedule, o.due_at from openbell.occurrence o
    where o.state <> 'queued' and o.due_at < (select openbell.now()) - $1::interval
        and exists (select 1 from openbell.occurrence n where n.schedule = o.schedule and n.due_at > o.due_at)
    limit $2
)
