-- Sets what $2 holds, for the reason $4, if the schedule is still as at revision $5; null stands for any.
with old as (
    select to_jsonb(s) - 'seeded' as was from openbell.schedule s where s.name = $1 and s.revision = coalesce($5, s.revision) for update
), set_to as (
    update openbell.schedule s set
        cron = coalesce($2::jsonb ->> 'cron', s.cron),
        zone = coalesce($2::jsonb ->> 'zone', s.zone),
        missed = coalesce($2::jsonb ->> 'missed', s.missed),
        max_late = coalesce(($2::jsonb ->> 'max_late')::interval, s.max_late),
        enabled = coalesce(($2::jsonb ->> 'enabled')::boolean, s.enabled),
        next_at = case when $2::jsonb ?| array['cron', 'zone', 'enabled'] then null else s.next_at end,
        problem = null,
        changed_at = openbell.now()
    from old where s.name = $1 and s.revision = coalesce($5, s.revision)
    returning s.name
)
insert into openbell.audit (actor, action, target, before, after)
select $3, 'schedule.set', $1, old.was, $2::jsonb || jsonb_strip_nulls(jsonb_build_object('reason', $4::text)) from old, set_to
returning target
