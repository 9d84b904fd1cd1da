-- Micro-dollars that jobs of class $2 have spent since $1, and those that their open and doubtful calls hold.
select coalesce(sum(greatest(s.cost_micro, case when s.state in ('intended', 'sent', 'unknown') then (s.held ->> 'usd_micro')::bigint else 0 end)), 0)::bigint
from openbell.spend s
where s.intended_at >= $1 and s.state <> 'released' and s.job_id in (
    select j.id from openbell.job j where j.job_class = $2
    union all
    select h.id from openbell.job_history h where h.finished_at >= $1 and h.job_class = $2)
