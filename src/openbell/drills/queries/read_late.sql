-- How late the latest of the wanted values is, in seconds; a value counts from its first version on.
select coalesce(max(extract(epoch from openbell.now() - a.fresh_until)), 0)::float8
from openbell.demand d
join openbell.artifact a on a.product = d.product and a.key = d.key
where d.expires_at > openbell.now() and a.version > 0
