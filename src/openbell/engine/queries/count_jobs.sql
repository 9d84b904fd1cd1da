select openbell.now() as now,
    count(*) filter (where state = 'waiting') as waiting,
    count(*) filter (where state = 'parked') as parked,
    count(*) filter (where state = 'running') as running,
    min(queued_at) filter (where state = 'waiting') as oldest_waiting,
    (select count(*) from openbell.worker w where w.expires_at > openbell.now()) as workers,
    (select coalesce(sum(w.slots), 0) from openbell.worker w where w.expires_at > openbell.now() and not w.draining) as slots
from openbell.job
