-- The failures of a week by kind, with what one of them says.
select coalesce(s.code, 'unknown') as code, count(*)::int as count, coalesce(min(s.message), '') as message
from openbell.picks_slot s where s.week = $1 and s.status = 'error' group by 1 order by 1
