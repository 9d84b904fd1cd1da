-- After hours have changed: what was to rest until an opening that now comes earlier is looked at earlier.
update openbell.artifact a
set fresh_until = n.fresh_until
from (
    select b.product, b.key, openbell.fresh_until(b.calendar, b.checked_at, p.ttl) as fresh_until
    from openbell.artifact b join openbell.product p on p.name = b.product
    where b.calendar = $1 and b.fresh_until > openbell.now()
) n
where a.product = n.product and a.key = n.key and n.fresh_until < a.fresh_until
