with held as (
    update openbell.delivery d set state = 'held', note = $3, state_at = (select openbell.now())
    where d.kind = $1 and d.artifact = $2 and d.state = 'ready'
    returning d.id
), noted as (
    insert into openbell.audit (actor, action, target, after)
    select $4, 'mail.hold-campaign', $1 || ' ' || $2, jsonb_build_object('held', count(*), 'why', $3::text) from held
)
select count(*) from held
