select coalesce(sum(s.cost_micro), 0)::bigint from openbell.spend s
where s.intended_at >= date_trunc('day', (select openbell.now()), 'UTC') and s.held ?| array['usd_micro', 'credits']
