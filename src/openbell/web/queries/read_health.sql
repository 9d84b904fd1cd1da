-- One row a product: how fresh what is wanted is, and what waits. The numbers behind /health.
select p.name as product,
    count(d.key) as wanted,
    count(d.key) filter (where a.fresh_until > openbell.now()) as fresh,
    extract(epoch from max(openbell.now() - a.fresh_until) filter (where a.fresh_until <= openbell.now()))::float8 as oldest_due_s,
    count(d.key) filter (where a.key is null) as missing
from openbell.product p
left join (select distinct product, key from openbell.demand where expires_at > openbell.now()) d on d.product = p.name
left join openbell.artifact a on a.product = d.product and a.key = d.key
group by p.name
order by p.name
