select t.* from openbell.digest_ticker_feed t join openbell.digest_feed f on f.id = t.feed_id where f.kind in ('google', 'yahoo')
