-- Depth in the last $1, in steps of $2: of each step the deepest minute. Of one product ($3) and class ($4), or of all.
select date_bin($2, m.at, timestamptz '2000-01-01 00:00Z') as at,
    max(m.waiting) as waiting, max(m.parked) as parked, max(m.running) as running, max(m.oldest_wait) as oldest_wait
from (
    select d.at, coalesce(sum(d.waiting) filter (where ours), 0) as waiting, coalesce(sum(d.parked) filter (where ours), 0) as parked,
        coalesce(sum(d.running) filter (where ours), 0) as running, max(d.oldest_wait) filter (where ours) as oldest_wait
    from openbell.depth d, lateral (select ($3::text is null or d.product = $3) and ($4::smallint is null or d.job_class = $4) as ours) o
    where d.at > (select openbell.now()) - $1::interval
    group by d.at
) m
group by 1 order by 1
