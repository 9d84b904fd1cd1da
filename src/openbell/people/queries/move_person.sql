-- What has been given is noted the first time; coming back after having left begins anew.
with before as (
    select id, state from openbell.person where id = $1
), moved as (
    update openbell.person p
    set state = $2,
        state_at = case when p.state = $2 then p.state_at else (select openbell.now()) end,
        confirmed_at = case when $3 = 'confirm' then coalesce(p.confirmed_at, (select openbell.now())) else p.confirmed_at end,
        approved_at = case when $3 in ('approve', 'unblock') then coalesce(p.approved_at, (select openbell.now())) else p.approved_at end
    where p.id = $1
    returning p.*
), noted as (
    insert into openbell.audit (actor, action, target, before, after)
    select $4, 'person.' || $3, 'person ' || m.id, jsonb_build_object('state', b.state), jsonb_build_object('state', m.state)
    from moved m join before b on b.id = m.id where b.state <> m.state
)
select id, address, name, role, state, zone, plan, created_at, state_at, confirmed_at, approved_at, erased_at, mail_token
from moved
