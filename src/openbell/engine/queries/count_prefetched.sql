select c.product, sum(c.made)::bigint as made, sum(c.hits)::bigint as hits, sum(c.missed)::bigint as missed
from openbell.prefetch_count c where c.day >= ((select openbell.now()) - $1::interval)::date
group by c.product order by c.product
