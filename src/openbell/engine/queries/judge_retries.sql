-- What queueing the ended jobs $1 (their ids; $2 when they ended) again would come to: again; live (its key is being made already); since (its
-- key has ended another way since); gone (its product is no more); doubt (something may have been paid for, and nobody has looked yet). With
-- what they have cost, in all.
select v.verdict, count(*) as jobs, sum(v.cost_micro)::bigint as cost_micro
from (
    select h.cost_micro, case
        when not exists (select 1 from openbell.product p where p.name = h.product) then 'gone'
        when exists (select 1 from openbell.job j where j.product = h.product and j.key = h.key) then 'live'
        when exists (select 1 from openbell.job_history l where l.key = h.key and l.product = h.product and l.finished_at > h.finished_at) then 'since'
        when exists (select 1 from openbell.cooldown c where c.product = h.product and c.key = h.key and c.retry_at >= '9999-01-01') then 'doubt'
        else 'again' end as verdict
    from unnest($1::bigint[], $2::timestamptz[]) as u (id, at)
    join openbell.job_history h on h.finished_at = u.at and h.id = u.id
) v
group by v.verdict
