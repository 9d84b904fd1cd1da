-- Of the wanted keys so many are due now.
update openbell.artifact a set fresh_until = openbell.now(), stale_until = openbell.now() + interval '1 day'
from (select distinct key from openbell.demand where product = $1 order by key limit $2) d
where a.product = $1 and a.key = d.key
