update openbell.digest_feed f set told_at = (select openbell.now()) where f.id = any ($1::bigint[])
