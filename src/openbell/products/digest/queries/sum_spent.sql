-- Micro-dollars that a job has spent, and those that its open and doubtful calls hold.
select coalesce(sum(greatest(s.cost_micro, case when s.state in ('intended', 'sent', 'unknown') then (s.held ->> 'usd_micro')::bigint else 0 end)), 0)::bigint
from openbell.spend s
where s.job_id = $1 and s.state <> 'released'
