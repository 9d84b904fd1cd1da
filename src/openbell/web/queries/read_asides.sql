-- What a quote is drawn with: the newest closes of each symbol, oldest first, and the currency of its listing.
-- A few numbers, instead of years of rows and a whole profile.
select u.symbol,
    coalesce(jsonb_path_query_array(prices.value, '$.rows[last - 29 to last][4]'), '[]') as closes,
    coalesce(profile.value ->> 'currency', '') as currency
from unnest($1::text[]) as u (symbol)
left join openbell.artifact a on a.product = 'eod-prices' and a.key = u.symbol
left join openbell.version prices on prices.product = a.product and prices.key = a.key and prices.version = a.version
left join openbell.artifact b on b.product = 'profile' and b.key = u.symbol
left join openbell.version profile on profile.product = b.product and profile.key = b.key and profile.version = b.version
