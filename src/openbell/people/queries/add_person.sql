with added as (
    insert into openbell.person (address, name, role, plan, zone, state, confirmed_at, approved_at)
    select $1, $2, $3, $4, $5, $6, case when $6 = 'active' then openbell.now() end, case when $6 = 'active' then openbell.now() end
    on conflict (address) do nothing
    returning id, address, name, role, state, zone, plan, created_at, state_at, confirmed_at, approved_at, erased_at, mail_token
), noted as (
    insert into openbell.audit (actor, action, target, after)
    select $7, 'person.add', 'person ' || added.id, jsonb_build_object('role', added.role, 'state', added.state) from added
)
select id, address, name, role, state, zone, plan, created_at, state_at, confirmed_at, approved_at, erased_at, mail_token
from added
