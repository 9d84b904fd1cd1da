-- Tickers of the reference data, and what somebody has looked at.
select t.ticker as symbol, t.name from openbell.digest_ticker t
union all
select a.key as symbol, v.value ->> 'name' as name
from openbell.artifact a left join openbell.version v on v.product = a.product and v.key = a.key and v.version = a.version
where a.product = 'profile' and a.state = 'value' and not exists (select 1 from openbell.digest_ticker t where t.ticker = a.key)
