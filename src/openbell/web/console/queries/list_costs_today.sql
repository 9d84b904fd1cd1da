-- What today, in UTC, has cost so far, by provider; of calls that are paid for, as in the top bar.
select s.provider, count(*) as calls, coalesce(sum(s.cost_micro), 0)::bigint as cost_micro, date_trunc('day', (select openbell.now()), 'UTC') as since
from openbell.spend s
where s.intended_at >= date_trunc('day', (select openbell.now()), 'UTC') and s.held ?| array['usd_micro', 'credits']
group by s.provider order by cost_micro desc, s.provider
