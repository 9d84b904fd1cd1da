-- Companies with reference data, those that most people follow first, then those with the most feeds; at most $1.
select t.ticker, t.name
from openbell.digest_ticker t
order by (select count(*) from openbell.follow f where f.ticker = t.ticker) desc,
    (select count(*) from openbell.digest_ticker_feed f where f.ticker = t.ticker) desc, t.ticker
limit $1
