-- One row a product that is wanted: how fresh what is wanted of it is; late is what has been due for longer than $1, and of what is
-- due the key that has been so longest. A value that never was counts as due since its last failure, or since its job was queued.
with clock as materialized (
    select openbell.now() as t
), wanted as (
    select d.product, d.key from openbell.demand d cross join clock where d.expires_at > clock.t group by d.product, d.key
), judged as (
    select w.product, w.key, a.key is null as missing, clock.t,
        case when a.fresh_until is null then coalesce(c.at, j.queued_at, clock.t) when a.fresh_until <= clock.t then a.fresh_until end as due_at
    from wanted w
    cross join clock
    left join openbell.artifact a on a.product = w.product and a.key = w.key
    left join openbell.cooldown c on a.key is null and c.product = w.product and c.key = w.key
    left join openbell.job j on a.key is null and j.product = w.product and j.key = w.key
)
select j.product, count(*) as wanted, count(*) filter (where j.due_at is null) as fresh, count(*) filter (where j.missing) as missing,
    count(*) filter (where j.due_at < j.t - $1::interval) as late, min(j.due_at) as due_at,
    (array_agg(j.key order by j.due_at) filter (where j.due_at is not null))[1] as first_key, max(j.t) as now,
    p.provider, p.enabled, p.ttl
from judged j
join openbell.product p on p.name = j.product
group by j.product, p.provider, p.enabled, p.ttl
order by late desc, count(j.due_at) desc, j.product
