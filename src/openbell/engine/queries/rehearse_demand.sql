-- What demand would fetch now of the keys of fixed lists whose flag is in shadow: those that somebody looks at and that would
-- not be fresh, had they been fetched only while somebody looked. Nothing is queued. One process does each beat ($1).
-- A change of the flag begins the rehearsal anew.
with due as (
    update openbell.duty set next_at = openbell.now() + $1::interval
    where name = 'rehearse' and next_at <= openbell.now()
    returning openbell.now() as t
), listed as (
    select l.product, l.key, due.t, p.ttl, a.calendar,
        case when a.state = 'empty' then p.empty_ttl else p.ttl end as lasts,
        coalesce(case when r.begun_at >= f.changed_at then r.fresh_until else a.fresh_until end, '-infinity') as fresh_until,
        case when r.begun_at >= f.changed_at then r.watched end as before,
        case when r.begun_at >= f.changed_at then r.begun_at else due.t end as begun_at,
        case when r.begun_at >= f.changed_at then r.looks else 0 end as looks,
        case when r.begun_at >= f.changed_at then r.waits else 0 end as waits,
        case when r.begun_at >= f.changed_at then r.refreshes else 0 end as refreshes,
        exists (
            select 1 from openbell.demand d
            where d.product = l.product and d.key = l.key and d.expires_at > due.t and d.source not in ('poll', 'prefetch')) as watched
    from due
    join openbell.flag f on f.mode = 'shadow'
    join openbell.poll l on f.name = 'demand-' || l.product and openbell.is_shadowed(f, l.key)
    join openbell.product p on p.name = l.product
    left join openbell.artifact a on a.product = l.product and a.key = l.key
    left join openbell.rehearsal r on r.product = l.product and r.key = l.key
), judged as (
    select listed.*, watched and fresh_until <= t + openbell.lead(ttl) as fetches,
        watched and before is not true as comes
    from listed
), kept as (
    insert into openbell.rehearsal as r (product, key, begun_at, fresh_until, watched, looks, waits, refreshes, last_at)
    select j.product, j.key, j.begun_at, case when j.fetches then openbell.fresh_until(j.calendar, j.t, j.lasts) else j.fresh_until end,
        j.watched, j.looks + j.comes::integer, j.waits + (j.comes and j.fresh_until <= j.t)::integer, j.refreshes + j.fetches::integer, case when j.fetches then j.t end
    from judged j
    where j.before is null or j.fetches or j.watched <> j.before
    on conflict (product, key) do update
    set fresh_until = excluded.fresh_until, watched = excluded.watched,
        looks = excluded.looks, waits = excluded.waits, refreshes = excluded.refreshes, begun_at = excluded.begun_at,
        last_at = coalesce(excluded.last_at, r.last_at)
)
select exists (select 1 from openbell.flag f where f.mode = 'shadow' and f.name like 'demand-%') as rehearsing
