insert into openbell.occurrence (schedule, due_at, product, key, state, actor, queued_at, ended_at, note)
select s.name, u.due_at, s.product, s.key, 'skipped', 'scheduler', openbell.now(), openbell.now(), $3
from openbell.schedule s, unnest($2::timestamptz[]) as u (due_at)
where s.name = $1
on conflict (schedule, due_at) do nothing
