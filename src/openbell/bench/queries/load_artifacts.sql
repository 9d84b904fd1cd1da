-- So many artifacts of a product, all fresh for a day. Their values are no part of a sweep.
insert into openbell.artifact (product, key, version, state, checked_at, changed_at, fresh_until, stale_until)
select $1, 'K' || lpad(n::text, 7, '0'), 1, 'value', c.t, c.t, c.t + interval '1 day', c.t + interval '2 days'
from (select openbell.now() as t) c, generate_series(1, $2::bigint) as n
