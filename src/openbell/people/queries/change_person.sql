with before as (
    select id, name, zone, plan, role from openbell.person where id = $1 and erased_at is null for update
), changed as (
    update openbell.person p
    set name = coalesce($2, p.name), zone = coalesce($3, p.zone), plan = coalesce($4, p.plan), role = coalesce($5, p.role)
    from before where p.id = before.id
    returning p.*
), noted as (
    insert into openbell.audit (actor, action, target, before, after)
    select $6, 'person.change', 'person ' || c.id, jsonb_build_object('zone', b.zone, 'plan', b.plan, 'role', b.role),
        jsonb_build_object('zone', c.zone, 'plan', c.plan, 'role', c.role)
    from changed c join before b on b.id = c.id where (b.zone, b.plan, b.role) is distinct from (c.zone, c.plan, c.role)
)
select id, address, name, role, state, zone, plan, created_at, state_at, confirmed_at, approved_at, erased_at, mail_token
from changed
