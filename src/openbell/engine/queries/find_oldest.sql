-- The jobs that have waited longest, $1 of them.
select j.id, j.product, j.key, j.job_class, j.queued_at, openbell.now() - j.queued_at as waited
from openbell.job j
where j.token is null and j.parked_until is null
order by j.queued_at, j.id limit $1
