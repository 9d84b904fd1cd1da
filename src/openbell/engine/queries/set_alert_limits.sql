-- Sets the limits, if they are still as they were seen: $3 as stored, null for none. No row when somebody was first.
with before as (
    select m.value from openbell.meta m where m.key = 'alerts' for update
), made as (
    insert into openbell.meta as m (key, value) select 'alerts', $1::jsonb where $3::jsonb is not distinct from (select before.value from before)
    on conflict (key) do update set value = excluded.value where m.value = $3::jsonb
    returning m.value
)
insert into openbell.audit (actor, action, target, before, after)
select $2, 'alert.limits', 'alerts', (select before.value from before), made.value from made
returning true
