-- What the alert rules look at besides the books and the schedules: the queue, its pace, what came of jobs, what is wanted
-- and not worked at (what waits for room in a full queue apart), flags that have outlived their end,
-- bands of forecasts that do not hold what they say, backups.
with clock as materialized (select openbell.now() as t), queue as (
    select count(*) filter (where j.state = 'waiting') as waiting,
        coalesce(extract(epoch from max(clock.t - j.queued_at) filter (where j.state = 'waiting')), 0)::float8 as oldest_s
    from openbell.job j cross join clock
)
select queue.waiting, queue.oldest_s,
    (select count(*) from openbell.job_history h where h.finished_at > clock.t - $2::interval and h.outcome in ('done', 'unchanged', 'empty')) as completed,
    coalesce((
        select jsonb_agg(jsonb_build_object('product', r.product, 'good', r.good, 'bad', r.bad)) from (
            select h.product, count(*) filter (where h.outcome in ('done', 'unchanged', 'empty')) as good,
                count(*) filter (where h.outcome in ('failed', 'expired')) as bad
            from openbell.job_history h where h.finished_at > clock.t - $1::interval group by h.product) r
        where r.good + r.bad > 0
    ), '[]') as rates,
    coalesce((
        select jsonb_agg(jsonb_build_object('id', j.id, 'product', j.product, 'key', j.key, 'jobs', j.jobs)) from (
            select j.id, j.product, j.key, count(*) over () as jobs from openbell.job j join openbell.product p on p.name = j.product
            left join openbell.worker w on w.id = j.worker
            where j.state = 'running' and (j.started_at + p.timeout + $3::interval < clock.t or coalesce(w.expires_at, j.started_at) + $3::interval < clock.t)
            order by j.started_at limit 1) j
    ), '[]') as stuck,
    coalesce((
        select jsonb_agg(jsonb_build_object('product', m.product, 'keys', m.keys, 'example', m.example)) from (
            select d.product, count(*) as keys, min(d.key) as example
            from (
                select e.product, e.key from openbell.demand e where e.expires_at > clock.t group by e.product, e.key
                having not bool_and(openbell.is_routine(e.source)) or (select count(*) from (select 1 from openbell.job limit $4) live) < $4
            ) d
            join openbell.product p on p.name = d.product and p.kind = 'artifact' and p.enabled
            left join openbell.artifact a on a.product = d.product and a.key = d.key
            left join openbell.cooldown c on c.product = d.product and c.key = d.key
            where (a.fresh_until is null or a.fresh_until < clock.t) and (c.retry_at is null or c.retry_at < clock.t)
                and not exists (select 1 from openbell.job j where j.product = d.product and j.key = d.key)
            group by d.product) m
    ), '[]') as jobless,
    coalesce((
        select jsonb_agg(jsonb_build_object('name', f.name, 'owner', f.owner, 'mode', f.mode, 'remove_by', f.remove_by,
            'days', (clock.t at time zone 'UTC')::date - f.remove_by) order by f.name)
        from openbell.flag f where f.remove_by < (clock.t at time zone 'UTC')::date
    ), '[]') as expired,
    coalesce((select m.value from openbell.meta m where m.key = 'forecast_drift'), '[]') as drifts,
    (select max(b.at) from openbell.backup b where b.act = 'backup') as backed_up_at,
    (select min(a.applied_at) from openbell.migration a) as made_at,
    (select m.value #>> '{}' from openbell.meta m where m.key = 'environment') as environment,
    (select m.value from openbell.meta m where m.key = 'alerts') as limits,
    clock.t as now
from queue cross join clock
