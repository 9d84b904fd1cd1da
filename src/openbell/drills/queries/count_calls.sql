select s.product, count(*) as calls, coalesce(sum((s.took ->> 'bytes')::bigint), 0)::bigint as bytes
from openbell.spend s where s.state <> 'released' group by s.product order by s.product
