-- A job that brought a value is paid for; one that failed, was cancelled, or left nothing or a fallback is not.
select c.spend_id, c.job_id,
    case when h.outcome in ('done', 'unchanged') and coalesce(a.state, 'value') = 'value' then 'settled' else 'released' end as state,
    coalesce(h.outcome::text, 'gone') as outcome
from openbell.credit c
join openbell.spend s on s.id = c.spend_id and s.ended_at is null
left join lateral (
    select o.outcome from openbell.job_history o where o.id = c.job_id order by o.finished_at desc limit 1
) h on true
left join openbell.artifact a on a.product = c.product and a.key = c.key
where ($1::bigint is null or c.person_id = $1)
    and not exists (select 1 from openbell.job j where j.id = c.job_id)
    and (h.outcome is not null or s.intended_at < (select openbell.now()) - interval '1 day')
limit 1000
