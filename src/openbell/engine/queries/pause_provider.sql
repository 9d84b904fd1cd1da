-- Nobody calls the provider for a time. Said again within two minutes after the pause, by the same code $5, and $4
-- names a zone: the limit is the day's, and the pause goes on until midnight there.
update openbell.account a
set blocked_until = greatest(a.blocked_until, case
        when $4::text is not null and a.blocked_code = $5 and c.t between a.blocked_until and a.blocked_until + interval '2 minutes'
            then (date_trunc('day', c.t at time zone $4) + interval '1 day') at time zone $4
        else c.t + $2::interval
    end),
    blocked_reason = $3, blocked_code = $5
from (select openbell.now() as t) c
where a.subject = $1 and a.resource = 'calls'
returning a.id
