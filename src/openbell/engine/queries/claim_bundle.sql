select id, product, key, token, attempt, max_attempts, job_class, rank, queued_at, now, args
from openbell.claim_bundle($1, $2, $3, $4, $5::smallint, $6::smallint, $7)
