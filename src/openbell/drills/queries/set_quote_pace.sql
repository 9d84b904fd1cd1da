update openbell.product set ttl = $1, stale_ttl = interval '1 day' where name = 'quote'
