-- Calls before the id $1 whose outcome is unknown and that somebody must say of what became of them, of provider $2, product $3 and key $4
-- (null: any) that ended within [$5, $6) (null: any), the newest first. Free reads that were cut off need nobody.
select s.id, s.job_id, s.product, s.key, s.provider, s.operation, s.effect::text as effect, s.state::text as state, s.outcome,
    s.intended_at, s.ended_at, s.held, s.took, s.cost_micro
from openbell.spend s
where s.state = 'unknown' and s.id < $1
    and (s.effect <> 'repeat' or exists (select 1 from openbell.hold h where h.spend_id = s.id and h.amount > 0))
    and ($2::text is null or s.provider = $2) and ($3::text is null or s.product = $3) and ($4::text is null or s.key = $4)
    and ($5::timestamptz is null or s.ended_at >= $5) and ($6::timestamptz is null or s.ended_at < $6)
order by s.id desc
limit $7
