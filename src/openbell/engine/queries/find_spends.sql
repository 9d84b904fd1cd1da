-- The latest spends of a provider ($1) and a job ($2), both optional.
select s.id, s.job_id, s.product, s.key, s.provider, s.operation, s.on_behalf, s.effect::text as effect, s.idempotency_key, s.state::text as state,
    s.outcome, s.intended_at, s.sent_at, s.ended_at, s.resend_until, s.held, s.took, s.cost_micro, s.provider_ref, s.credential
from openbell.spend s
where ($1::text is null or s.provider = $1) and ($2::bigint is null or s.job_id = $2)
order by s.id desc limit $3
