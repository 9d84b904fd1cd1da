with stopped as (
    insert into openbell.meta (key, value)
    select 'mail_stop', jsonb_build_object('at', (select openbell.now()), 'actor', $1::text, 'reason', $2::text)
    on conflict (key) do nothing
    returning value
)
insert into openbell.audit (actor, action, target, after) select $1, 'mail.stop', 'all mail', value from stopped
