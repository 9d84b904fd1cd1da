-- Changes what is given and leaves the rest. No row when there is no such flag.
with old as (
    select f.* from openbell.flag f where f.name = $1 for update
), set_to as (
    update openbell.flag f
    set mode = coalesce($2, f.mode), share = coalesce($3, f.share), allow = coalesce($4, f.allow), deny = coalesce($5, f.deny),
        changed_at = openbell.now()
    from old where f.name = old.name
    returning f.*
)
insert into openbell.audit (actor, action, target, before, after)
select $6, 'flag.set', set_to.name, to_jsonb(old), to_jsonb(set_to) from old, set_to
returning target
