-- The state of the house in one line, above every page of the console; late is what has been due for longer than $1.
with clock as materialized (
    select openbell.now() as t
), wanted as (
    select d.product, d.key from openbell.demand d cross join clock where d.expires_at > clock.t group by d.product, d.key
)
select clock.t as now,
    (select count(*) from openbell.alert a where a.state = 'firing') as firing,
    (select count(*) from openbell.worker w where w.expires_at > clock.t and not w.gone) as workers,
    exists (select 1 from openbell.meta m where m.key = 'mail_stop' and jsonb_typeof(m.value) = 'object') as stopped,
    (select count(*) from wanted) as wanted,
    (select count(*) from wanted w
        left join openbell.artifact a on a.product = w.product and a.key = w.key
        left join openbell.cooldown c on a.key is null and c.product = w.product and c.key = w.key
        left join openbell.job j on a.key is null and j.product = w.product and j.key = w.key
        where coalesce(a.fresh_until, c.at, j.queued_at, clock.t) < clock.t - $1::interval) as late
from clock
