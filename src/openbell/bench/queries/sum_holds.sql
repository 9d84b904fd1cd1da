-- What the accounts of the measurement hold, by the accounts and by the holds.
select coalesce(sum(a.held), 0)::bigint as held, (select coalesce(sum(h.amount), 0) from openbell.hold h)::bigint as holds
from openbell.account a where a.subject = $1
