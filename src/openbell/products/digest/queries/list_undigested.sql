-- Which of these tickers have no reference data, so that no digest is made of them.
select wanted.ticker
from unnest($1::text[]) wanted (ticker)
where not exists (select from openbell.digest_ticker t where t.ticker = wanted.ticker)
order by wanted.ticker
