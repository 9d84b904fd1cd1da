-- Occurrences that have ended. An artifact's has when its key is fresh, or was refreshed since; what it asked for is then
-- asked for no longer. A task's has when its job has.
with clock as materialized (
    select openbell.now() as t
), judged as (
    select o.schedule, o.due_at,
        case
            when p.kind = 'artifact' then
                case when a.state <> 'fallback' and (a.checked_at >= o.due_at or a.fresh_until > clock.t) then 'done'
                     when o.queued_at + p.patience <= clock.t then 'failed' end
            when exists (select 1 from openbell.job j where j.id = o.job_id) then null
            when h.outcome in ('done', 'unchanged', 'empty') then 'done'
            else 'failed'
        end as state,
        case when p.kind = 'artifact' then 'no result within ' || p.patience
             else coalesce(h.message, 'its job ended as ' || h.outcome, 'its job is no longer known') end as note
    from clock, openbell.occurrence o
    join openbell.product p on p.name = o.product
    left join openbell.artifact a on a.product = o.product and a.key = o.key
    left join lateral (
        select h.outcome, h.message from openbell.job_history h
        where h.id = o.job_id and h.finished_at >= o.queued_at
        limit 1
    ) h on p.kind = 'task'
    where o.state = 'queued'
    order by o.schedule, o.due_at limit 1000 for update of o skip locked
), ended as (
    update openbell.occurrence o
    set state = judged.state, ended_at = clock.t, note = case judged.state when 'failed' then judged.note end
    from judged, clock
    where o.schedule = judged.schedule and o.due_at = judged.due_at and judged.state is not null
    returning o.schedule, o.due_at, o.product, o.key, o.state, o.note, o.ended_at
), succeeded as (
    update openbell.schedule s set last_success_at = greatest(s.last_success_at, e.at)
    from (select schedule, max(ended_at) as at from ended where state = 'done' group by schedule) e
    where s.name = e.schedule
), dropped as (
    delete from openbell.demand d using ended e
    where d.source = 'schedule:' || e.schedule and d.product = e.product and d.key = e.key
        and not exists (select 1 from judged j where j.schedule = e.schedule and j.state is null)
)
select schedule, due_at, state, note from ended
