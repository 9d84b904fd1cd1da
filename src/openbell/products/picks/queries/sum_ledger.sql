-- What the ledger says that the picks of a week have cost, and how much of it is held or open still.
select coalesce(sum(s.cost_micro) filter (where s.state = 'settled'), 0)::bigint as settled,
    count(*) filter (where s.state = 'unknown')::int as unknown, count(*) filter (where s.ended_at is null)::int as open
from openbell.spend s
where s.product in ('picks-edition', 'picks-batch') and (s.key like $1::date || '|%' or s.key like '%|' || $1::date)
