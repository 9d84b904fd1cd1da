-- Whom products are made from, and how many of those are on.
select p.provider, count(*) as products, count(*) filter (where p.enabled) as made, (select openbell.now()) as now
from openbell.product p where p.provider <> '' group by p.provider order by p.provider
