update openbell.digest_batch set cancelled_at = coalesce(cancelled_at, (select openbell.now())) where id = $1 returning id
