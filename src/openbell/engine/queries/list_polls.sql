select l.product, count(*) as keys, count(*) filter (where openbell.is_on(f, l.key)) as taken_over,
    (array_agg(l.key order by l.key))[:20] as first_keys
from openbell.poll l left join openbell.flag f on f.name = 'demand-' || l.product
group by l.product order by l.product
