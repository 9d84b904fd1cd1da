-- So many leases over so many keys, spread over the stored artifacts; each key has leases of several sources.
insert into openbell.demand (source, product, key, weight, job_class, expires_at)
select 'web-' || (n / $3), $1, 'K' || lpad((1 + (n % $3) * $4 / $3)::text, 7, '0'), 1, 0, openbell.now() + interval '1 day'
from generate_series(0, $2::bigint - 1) as n
