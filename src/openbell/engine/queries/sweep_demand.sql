-- Demand × staleness → jobs. For all demanded keys, or only for the keys in $1, $2. Nothing else queues refreshes.
-- In one order, so that two sweeps never wait for each other. A key that waits already is lifted, never lowered; one that runs is left alone.
-- One that is lifted into a more urgent class no longer waits for room that others had to leave to that class; the pause after a
-- failure, which keeps the time at which it began, goes on. Lists, schedules and prefetching add jobs up to $3 live ones; in the
-- last class each has $4 attempts at the most.
with clock as materialized (
    select openbell.now() as t
), wanted as (
    select d.product, d.key, least(sum(d.weight), 100)::smallint as number, min(d.job_class) as job_class,
        bool_and(openbell.is_routine(d.source)) as is_routine
    from clock, (
        select e.* from openbell.demand e where $1::text[] is null
        union all
        select e.* from unnest($1::text[], $2::text[]) as u (product, key)
        join openbell.demand e on e.product = u.product and e.key = u.key where $1::text[] is not null
    ) d
    where d.expires_at > clock.t
    group by d.product, d.key
), due as (
    select w.product, w.key, w.number, w.job_class, w.is_routine, clock.t, a.fresh_until,
        case when w.job_class = 90 then least(p.max_attempts, $4) else p.max_attempts end as max_attempts
    from clock, wanted w
    join openbell.product p on p.name = w.product and p.kind = 'artifact' and p.enabled
    left join openbell.artifact a on a.product = w.product and a.key = w.key
    left join openbell.cooldown c on c.product = w.product and c.key = w.key
    where (a.fresh_until is null or a.fresh_until <= clock.t + openbell.lead(p.ttl))
        and (c.retry_at is null or c.retry_at <= clock.t)
), needed as (
    -- What has its job already, and would not lift it, is left out here: the conflict below would lock its row, and wait for
    -- whoever is about to end it. The limit has each looked up by its index, however many jobs there are.
    select due.*, q.number is null and due.is_routine as is_extra from due
    left join lateral (
        select j.token, j.number, j.job_class from openbell.job j where j.product = due.product and j.key = due.key limit 1
    ) q on true
    where q.number is null or (q.token is null and (q.number < due.number or q.job_class > due.job_class))
), placed as (
    -- The longest due come first, so that a queue that stays full starves none of them.
    select needed.*, row_number() over (partition by is_extra order by fresh_until nulls first) as place from needed
)
insert into openbell.job as j (product, key, number, job_class, max_attempts, queued_at)
select n.product, n.key, n.number, n.job_class, n.max_attempts, n.t from placed n
where case when n.is_extra then n.place <= $3 - (select count(*) from (select 1 from openbell.job limit $3) live) else true end
order by n.product, n.key
on conflict (product, key) do update
set number = greatest(j.number, excluded.number), job_class = least(j.job_class, excluded.job_class),
    max_attempts = greatest(j.max_attempts, excluded.max_attempts),
    parked_until = case when excluded.job_class < j.job_class and j.started_at is null and j.reason is not null then null else j.parked_until end
where j.token is null and (j.number < excluded.number or j.job_class > excluded.job_class)
returning j.id, j.product, j.key, j.xmax = 0 as created
