-- What is stored of every company whose profile and daily prices may be served: at most $1, those last looked at first.
select p.key as ticker, profile.value ->> 'name' as name, profile.value ->> 'exchange' as exchange,
    profile.value ->> 'sector' as sector, profile.value ->> 'currency' as currency, ratios.value as ratios,
    jsonb_path_query_array(bars.value, '$.rows[last - 252 to last]') as bars, r.checked_at,
    bars.provenance ->> 'synthetic' as synthetic
from openbell.artifact p
join openbell.version profile on profile.product = p.product and profile.key = p.key and profile.version = p.version
join openbell.artifact b on b.product = 'eod-prices' and b.key = p.key and b.version > 0 and b.stale_until > (select openbell.now())
join openbell.version bars on bars.product = b.product and bars.key = b.key and bars.version = b.version
left join openbell.artifact r on r.product = 'ratios-ttm' and r.key = p.key and r.version > 0 and r.stale_until > (select openbell.now())
left join openbell.version ratios on ratios.product = r.product and ratios.key = r.key and ratios.version = r.version
where p.product = 'profile' and p.version > 0
order by p.checked_at desc, p.key limit $1
