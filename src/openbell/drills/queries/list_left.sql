-- What is left to do, for whoever asks why a run is not over: in which state each job is, and whose it is.
select j.product, j.key, j.state::text as state, j.attempt, j.reason, j.progress, w.name as worker,
    w.expires_at < openbell.now() as worker_gone, round(extract(epoch from j.parked_until - openbell.now()))::integer as parked_s
from openbell.job j
left join openbell.worker w on w.id = j.worker
order by j.state desc, j.product, j.key limit 100
