-- Those of the keys for which no result has come since then, and that are not fresh either.
select u.key
from unnest($2::text[]) with ordinality as u (key, place)
left join openbell.artifact a on a.product = $1 and a.key = u.key
where a.key is null or a.state = 'fallback' or (a.checked_at < $3 and a.fresh_until <= (select openbell.now()))
order by u.place
