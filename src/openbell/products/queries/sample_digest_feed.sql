select id, kind, subject, policy from openbell.digest_feed where kind in ('google', 'yahoo')
