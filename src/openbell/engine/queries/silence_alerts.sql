with made as (
    insert into openbell.alert_silence (code, about, until, actor, reason)
    values ($1, $2, (select openbell.now()) + $3::interval, $4, $5) returning id, code, about, until
), written as (
    insert into openbell.audit (actor, action, target, after)
    select $4, 'alert.silence', made.code || ' ' || made.about, jsonb_build_object('until', made.until, 'reason', $5::text) from made
)
select made.until from made
