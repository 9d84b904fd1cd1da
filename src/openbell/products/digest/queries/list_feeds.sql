select f.id, f.kind, f.subject, f.polled_at, f.succeeded_at, f.entries, f.polls, f.failures, f.in_a_row, f.code, f.message,
    array(select t.ticker from openbell.digest_ticker_feed t where t.feed_id = f.id order by t.ticker) as tickers
from openbell.digest_feed f
order by f.in_a_row desc, f.kind, f.subject
