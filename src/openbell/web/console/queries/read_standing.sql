-- What the overview tells besides freshness, the books and schedules: live work, who does it, and what waits for somebody. $1 are
-- the kinds of mail, so that its index is used; $2 the alerts that nothing else here tells.
with clock as materialized (
    select openbell.now() as t
), live as (
    select count(*) filter (where j.state = 'waiting') as waiting, count(*) filter (where j.state = 'parked') as parked,
        count(*) filter (where j.state = 'running') as running, min(j.queued_at) filter (where j.state = 'waiting') as oldest_at
    from openbell.job j
)
select live.*, clock.t as now,
    (select count(*) from openbell.worker w where w.expires_at > clock.t and not w.gone) as workers,
    (select count(*) from openbell.job j join openbell.product p on p.name = j.product
        where j.token is not null and j.started_at + p.timeout + interval '1 minute' < clock.t) as overrun,
    (select count(*) from openbell.cooldown c where c.retry_at >= '9999-01-01 00:00Z') as left_alone,
    (select count(*) from openbell.delivery d where d.kind = any ($1::text[]) and d.state in ('failed', 'unknown') and d.state_at > clock.t - interval '2 days') as mail_trouble,
    (select count(*) from openbell.delivery d where d.state = 'held') as mail_held,
    (select count(*) from openbell.person p where p.state = 'pending' and p.confirmed_at is not null) as asking,
    (select count(*) from openbell.alert a where a.state = 'firing') as alerts,
    (select jsonb_agg(jsonb_build_object('code', a.code, 'message', a.message) order by a.fired_at) from openbell.alert a
        where a.state = 'firing' and a.code = any ($2::text[])) as firing
from live cross join clock
