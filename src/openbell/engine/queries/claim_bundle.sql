select id, product, key, token, attempt, max_attempts, job_class, rank, queued_at, now, args
from openbell.claim_bundle($1, $2, $3, $4, $5::smallint, $6::smallint, $7)
where exists (select 1 from openbell.worker w where w.id = $3 and not w.gone)
