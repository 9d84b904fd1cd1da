-- What is live at this minute, by product and class. Answers how many jobs wait or are parked.
with clock as materialized (
    select openbell.now() as t
), live as materialized (
    select j.product, j.job_class,
        count(*) filter (where j.token is null and j.parked_until is null) as waiting,
        count(*) filter (where j.token is null and j.parked_until is not null) as parked,
        count(*) filter (where j.token is not null) as running,
        min(j.queued_at) filter (where j.token is null and j.parked_until is null) as oldest
    from openbell.job j group by j.product, j.job_class
), kept as (
    insert into openbell.depth (at, product, job_class, waiting, parked, running, oldest_wait)
    select date_trunc('minute', clock.t, 'UTC'), l.product, l.job_class, l.waiting, l.parked, l.running, clock.t - l.oldest from clock, live l
    union all
    select date_trunc('minute', clock.t, 'UTC'), '', 0, 0, 0, 0, null from clock where not exists (select 1 from live)
    on conflict do nothing
)
select coalesce(sum(waiting + parked), 0)::bigint from live
