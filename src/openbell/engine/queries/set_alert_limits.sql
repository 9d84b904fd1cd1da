with before as (
    select m.value from openbell.meta m where m.key = 'alerts'
), written as (
    insert into openbell.audit (actor, action, target, before, after) select $2, 'alert.limits', 'alerts', (select before.value from before), $1::jsonb
)
insert into openbell.meta (key, value) values ('alerts', $1) on conflict (key) do update set value = excluded.value
