select (select count(*) from openbell.digest_ticker) as tickers, count(*) as feeds,
    count(*) filter (where f.in_a_row > 0) as failing
from openbell.digest_feed f
