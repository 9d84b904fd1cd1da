update openbell.digest_feed set in_a_row = 0, not_before = null where in_a_row > 0 returning id
