update openbell.account a
set blocked_until = greatest(a.blocked_until, openbell.now() + $2::interval), blocked_reason = $3
where a.subject = $1 and a.resource = 'calls'
returning a.id
