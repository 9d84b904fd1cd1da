select s.provider, s.operation, s.product, s.intended_at, s.cost_micro from openbell.spend s
where s.on_behalf in ('user:' || $1, 'person ' || $1) order by s.id
