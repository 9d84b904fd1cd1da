-- No row when this occurrence has been taken before.
insert into openbell.occurrence (schedule, due_at, product, key, state, actor, queued_at)
select s.name, $2, s.product, $4, 'queued', $3, openbell.now() from openbell.schedule s where s.name = $1
on conflict (schedule, due_at) do nothing
returning due_at
