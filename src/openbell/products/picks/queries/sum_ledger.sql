-- What the ledger says that the picks of a week have cost, and how much of it is held or open still. Free calls that were cut off
-- (looking at a batch, handing in its file) have been made again and hold no money: they are no doubt, as wherever doubts are counted.
select coalesce(sum(s.cost_micro) filter (where s.state = 'settled'), 0)::bigint as settled,
    count(*) filter (where s.state = 'unknown'
        and (s.effect <> 'repeat' or exists (select 1 from openbell.hold h where h.spend_id = s.id and h.amount > 0)))::int as unknown,
    count(*) filter (where s.ended_at is null)::int as open
from openbell.spend s
where s.product in ('picks-edition', 'picks-batch') and (s.key like $1::date || '|%' or s.key like '%|' || $1::date)
