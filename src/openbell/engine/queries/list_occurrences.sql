select o.due_at, o.state, o.job_id, o.actor, o.queued_at, o.ended_at, o.note
from openbell.occurrence o where o.schedule = $1 order by o.due_at desc limit $2
