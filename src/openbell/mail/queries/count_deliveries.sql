select kind, state, count(*)::integer as n, min(send_at) as first
from openbell.delivery
where state in ('ready', 'held') or state_at > (select openbell.now()) - interval '2 days'
group by kind, state order by kind, state
