select s.id, s.job_id, s.product, s.key, s.provider, s.operation, s.on_behalf, s.effect::text as effect, s.idempotency_key, s.state::text as state,
    s.outcome, s.intended_at, s.sent_at, s.ended_at, s.resend_until, s.held, s.took, s.cost_micro, s.provider_ref, s.credential
from openbell.spend s where s.id = $1
