-- Of the latest $2 calls before the id $1 those in the state $3, of provider $4, product $5 and key $6 (null: any) that ended within
-- [$7, $8) (null: any), the newest first, and the last that was looked at, from where on to look further.
select r.*
from (
    select l.*, row_number() over (order by l.id desc) as n,
        ($3::text is null or l.state = $3) and ($4::text is null or l.provider = $4) and ($5::text is null or l.product = $5)
            and ($6::text is null or l.key = $6) and ($7::timestamptz is null or l.ended_at >= $7) and ($8::timestamptz is null or l.ended_at < $8) as meant
    from (
        select s.id, s.job_id, s.product, s.key, s.provider, s.operation, s.effect::text as effect, s.state::text as state, s.outcome,
            s.intended_at, s.ended_at, s.held, s.took, s.cost_micro
        from openbell.spend s where s.id < $1 order by s.id desc limit $2
    ) l
) r
where r.meant or r.n = $2
order by r.id desc
limit $9
