select version, created_at, source_time, value, provenance, licence, cost_micro, job_id
from openbell.version where product = $1 and key = $2
order by version desc limit $3
