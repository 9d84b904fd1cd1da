select s.id, s.provider, s.operation, s.effect::text as effect, s.state::text as state, s.intended_at, s.ended_at, s.outcome, s.held, s.took,
    s.cost_micro, s.provider_ref, s.token
from openbell.spend s where s.job_id = $1 order by s.id
