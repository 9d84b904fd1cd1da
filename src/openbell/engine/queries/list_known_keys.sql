-- Keys of a product with a value whose source was asked within $4, by key, after the key $2 and at most $3.
select a.key
from openbell.artifact a
where a.product = $1 and a.key > $2 and a.version > 0 and a.checked_at > (select openbell.now()) - $4::interval
order by a.key limit $3
