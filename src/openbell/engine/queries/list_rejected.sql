-- What was kept of the answers of a job that did not pass, oldest first.
select r.rejected_at, r.attempt, r.code, r.message, r.faults, r.provider, r.operation, r.bytes, r.body
from openbell.rejected r where r.job_id = $1 order by r.id
