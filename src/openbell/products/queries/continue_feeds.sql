select setval(pg_get_serial_sequence('openbell.digest_feed', 'id'), (select coalesce(max(id), 1) from openbell.digest_feed))
