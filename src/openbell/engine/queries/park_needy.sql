update openbell.job set parked_until = 'infinity', reason = $2 where id = any ($1::bigint[]) and token is null
