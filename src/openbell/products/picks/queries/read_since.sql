-- The last stored close of each symbol, and that of its base day as it is counted today, after splits.
select b.key as ticker, (bars.value #>> '{rows,-1,0}')::date as day, (bars.value #>> '{rows,-1,4}')::float8 as close,
    (jsonb_path_query_first(bars.value, 'strict $.rows[*] ? (@[0] == $day)', jsonb_build_object('day', u.day::text)) ->> 4)::float8 as base
from unnest($1::text[], $2::date[]) as u (ticker, day)
join openbell.artifact b on b.product = 'eod-prices' and b.key = u.ticker and b.version > 0
join openbell.version bars on bars.product = b.product and bars.key = b.key and bars.version = b.version
