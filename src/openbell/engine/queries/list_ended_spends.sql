-- The next spends behind the mark ($1, $2) in the order in which they ended, up to $3.
select s.id, s.ended_at, s.product, s.provider, s.operation, s.state = 'settled' as happened, s.outcome, s.held, coalesce(s.took, '{}') as took
from openbell.spend s
where s.ended_at >= $1 and s.ended_at <= $3 and (s.ended_at, s.id) > ($1, $2)
order by s.ended_at, s.id limit $4
