-- The accounts wait until then, and with them every product of their subject.
update openbell.account a set blocked_until = greatest(a.blocked_until, $2), blocked_reason = $3, blocked_code = null
where a.id = any ($1::bigint[])
