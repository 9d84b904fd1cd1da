with before as (
    select value from openbell.meta where key = 'environment'
), stamped as (
    insert into openbell.meta (key, value) values ('environment', to_jsonb($1::text))
    on conflict (key) do update set value = excluded.value
    returning value
)
insert into openbell.audit (actor, action, target, before, after)
select $2, 'mail.environment', 'database', (select before.value from before), stamped.value from stamped
