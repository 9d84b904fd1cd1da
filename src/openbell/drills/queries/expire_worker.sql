update openbell.worker set expires_at = openbell.now() - interval '1 second' where name = $1
