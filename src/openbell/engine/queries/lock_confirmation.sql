-- Whoever comes second waits here until the first has done it or not.
select actor, action, plan, used_at is not null as used, expires_at > (select openbell.now()) as fresh
from openbell.confirmation where token = $1 for update
