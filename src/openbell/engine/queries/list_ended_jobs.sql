-- Ended jobs of the time from $1 up to the place ($2, $3), the newest first; of the latest $4 those that are meant, and the last
-- that was looked at, so that it is known from where on to look further. The mark $11 that is given says by which index it is
-- looked; keep_order has each question planned by its own values, so that the others fall away.
select r.id, r.product, r.key, r.job_class, r.state, r.attempt, r.queued_at, r.started_at, r.finished_at, r.worker, r.code, r.message, r.version,
    r.cost_micro, r.trail, r.meant, r.n
from (
    select l.*, row_number() over (order by l.finished_at desc, l.id desc) as n,
        ($5::text is null or l.state = $5) and ($6::text is null or l.product = $6) and ($7::text is null or l.key = $7)
            and ($8::text is null or l.code = $8) and ($9::smallint is null or l.job_class = $9) as meant
    from (
        select h.id, h.product, h.key, h.job_class, h.outcome::text as state, h.attempts as attempt, h.queued_at, h.started_at, h.finished_at,
            h.worker, h.code, h.message, h.version, h.cost_micro, coalesce(h.trail, '[]') as trail
        from openbell.job_history h
        where h.finished_at >= $1 and (h.finished_at, h.id) < ($2, $3)
            and ($11::text <> 'key' or h.key = $7) and ($11 <> 'code' or h.code = $8)
            and ($11 <> 'outcome' or (h.outcome not in ('done', 'unchanged') and h.outcome = ($5::text)::openbell.job_outcome))
        order by h.finished_at desc, h.id desc limit $4
    ) l
) r
where r.meant or r.n = $4
order by r.finished_at desc, r.id desc
limit $10
