-- The closes of the last year of one symbol, oldest first, each with its day.
select jsonb_path_query_array(bars.value, '$.rows[last - 251 to last]') as bars
from openbell.artifact b
join openbell.version bars on bars.product = b.product and bars.key = b.key and bars.version = b.version
where b.product = 'eod-prices' and b.key = $1 and b.version > 0
