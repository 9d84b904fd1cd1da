-- One lease for each key of a fixed list that has not been taken over to demand; those of keys that have been are ended.
with clock as materialized (
    select openbell.now() as t
), listed as (
    select l.product, l.key, openbell.is_on(f, l.key) as taken_over, clock.t
    from clock, openbell.poll l
    left join openbell.flag f on f.name = 'demand-' || l.product
), ended as (
    delete from openbell.demand d using listed l
    where d.source = 'poll' and d.product = l.product and d.key = l.key and l.taken_over
)
insert into openbell.demand as d (source, product, key, weight, job_class, expires_at)
select 'poll', l.product, l.key, 1, $1, l.t + $2::interval
from listed l
where not l.taken_over
order by l.product, l.key
on conflict (product, key, source) do update set expires_at = excluded.expires_at
returning 1
