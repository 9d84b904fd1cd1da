select d.source, d.weight, d.job_class, d.expires_at
from openbell.demand d
where d.product = $1 and d.key = $2 and d.expires_at > openbell.now()
order by d.expires_at desc limit 1000
