-- Sets a resource of a challenger's daily budget, audited; it holds from the next trial on. No row when there is none.
with old as (
    select c.* from openbell.challenge c where c.name = $1 for update
), set_to as (
    update openbell.challenge c set budget = c.budget || jsonb_build_object($2::text, $3::bigint) from old where c.name = old.name
    returning c.budget
)
insert into openbell.audit (actor, action, target, before, after)
select $4, 'flag.budget', old.name, old.budget, set_to.budget from old, set_to
returning after
