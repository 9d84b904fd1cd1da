-- A new flag is off. One that is there already stays as it is; the answer tells whether it was added.
with added as (
    insert into openbell.flag (name, salt, about, owner, remove_by)
    values ($1, $1 || ':' || gen_random_uuid(), $2, $3, $4)
    on conflict (name) do nothing
    returning *
)
insert into openbell.audit (actor, action, target, after)
select $5, 'flag.add', added.name, to_jsonb(added) from added
returning true as added
