-- Changes what is given and leaves the rest, if the flag is still as at revision $8. A share is never carried over from one mode
-- into another. $7 is what the rule asked for and was forced, $9 why. No row when there is no such flag, or a newer revision.
with old as (
    select f.* from openbell.flag f where f.name = $1 and f.revision = $8 for update
), set_to as (
    update openbell.flag f
    set mode = coalesce($2, f.mode),
        share = coalesce($3, case when $2 = f.mode or $2 is null then f.share when $2 = 'shadow' then 10000 when $2 = 'percent' or f.mode = 'shadow' then 0 else f.share end),
        allow = coalesce($4, f.allow), deny = coalesce($5, f.deny),
        about = coalesce($10, f.about), owner = coalesce($11, f.owner), remove_by = coalesce($12, f.remove_by), changed_at = openbell.now()
    from old where f.name = old.name and f.revision = $8
    returning f.*
)
insert into openbell.audit (actor, action, target, before, after)
select $6, 'flag.set', set_to.name, to_jsonb(old), to_jsonb(set_to) || jsonb_strip_nulls(jsonb_build_object('forced', $7::text[], 'reason', $9::text))
from old, set_to
returning target
