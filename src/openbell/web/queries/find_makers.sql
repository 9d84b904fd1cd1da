-- Which job made each of these versions.
select v.product, v.key, v.job_id
from unnest($1::text[], $2::text[], $3::integer[]) as u (product, key, version)
join openbell.version v on v.product = u.product and v.key = u.key and v.version = u.version
