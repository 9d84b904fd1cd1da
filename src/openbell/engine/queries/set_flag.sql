-- Changes what is given and leaves the rest. A share is never carried over from one mode into another. $7 is what the rule
-- asked for and was forced. No row when there is no such flag.
with old as (
    select f.* from openbell.flag f where f.name = $1 for update
), set_to as (
    update openbell.flag f
    set mode = coalesce($2, f.mode),
        share = coalesce($3, case when $2 = f.mode or $2 is null then f.share when $2 = 'shadow' then 10000 when $2 = 'percent' or f.mode = 'shadow' then 0 else f.share end),
        allow = coalesce($4, f.allow), deny = coalesce($5, f.deny), changed_at = openbell.now()
    from old where f.name = old.name
    returning f.*
)
insert into openbell.audit (actor, action, target, before, after)
select $6, 'flag.set', set_to.name, to_jsonb(old), to_jsonb(set_to) || coalesce(jsonb_build_object('forced', $7::text[]) - case when $7::text[] is null then 'forced' else '' end, '{}')
from old, set_to
returning target
