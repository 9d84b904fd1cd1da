-- Every schedule with its last occurrence, and how many of the last seven days were missed or failed.
select s.name, s.product, s.key, s.args, s.cron, s.zone, s.missed, s.max_late, s.enabled, s.changed_at, s.next_at, s.problem,
    s.last_due_at, s.last_enqueued_at, s.last_success_at, o.due_at as last_at, o.state as last_state, o.job_id as last_job, o.note as last_note,
    s.revision, o.queued_at as last_queued_at, o.ended_at as last_ended_at,
    missed.n as missed_week, missed.failed as failed_week, openbell.now() as now,
    array_remove(array[
        case when s.cron <> s.seeded ->> 'cron' then 'cron' end,
        case when s.zone <> s.seeded ->> 'zone' then 'zone' end,
        case when s.missed <> s.seeded ->> 'missed' then 'missed' end,
        case when s.max_late <> (s.seeded ->> 'max_late')::interval then 'max_late' end,
        case when not s.enabled then 'enabled' end
    ], null) as changed
from openbell.schedule s
left join lateral (
    select o.due_at, o.state, o.job_id, o.note, o.queued_at, o.ended_at
    from openbell.occurrence o where o.schedule = s.name order by o.due_at desc limit 1
) o on true
cross join lateral (
    select count(*) filter (where m.state = 'skipped') as n, count(*) filter (where m.state = 'failed') as failed
    from openbell.occurrence m where m.schedule = s.name and m.due_at > (select openbell.now()) - interval '7 days'
) missed
order by s.name
