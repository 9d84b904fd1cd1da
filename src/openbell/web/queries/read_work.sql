-- The work of the moment: workers whose lease holds, and live jobs by state.
select (select count(*) from openbell.worker where expires_at > openbell.now()) as workers,
    count(*) filter (where state = 'waiting') as waiting,
    count(*) filter (where state = 'parked') as parked,
    count(*) filter (where state = 'running') as running,
    extract(epoch from max(openbell.now() - queued_at) filter (where state = 'waiting'))::float8 as oldest_waiting_s
from openbell.job
