-- Keys of a product whose value may be served still, by key, after the key $2 and at most $3.
select a.key
from openbell.artifact a
where a.product = $1 and a.key > $2 and a.version > 0 and a.stale_until > (select openbell.now())
order by a.key limit $3
