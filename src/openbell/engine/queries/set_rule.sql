-- Sets the rule of a flag, audited, if the flag is still as at revision $7; null stands for any. It counts as a change of the flag.
with touched as (
    update openbell.flag f set changed_at = openbell.now() where f.name = $1 and f.revision = coalesce($7, f.revision) returning f.name
), old as (
    select to_jsonb(r) as was from openbell.flag_rule r where r.flag = $1
), set_to as (
    insert into openbell.flag_rule as r (flag, at_least, most_different, most_failed, over) select touched.name, $2, $3, $4, $5 from touched
    on conflict (flag) do update
    set at_least = excluded.at_least, most_different = excluded.most_different, most_failed = excluded.most_failed, over = excluded.over
    returning to_jsonb(r) as now
)
insert into openbell.audit (actor, action, target, before, after)
select $6, 'flag.rule', $1, (select was from old), set_to.now from set_to
returning target
