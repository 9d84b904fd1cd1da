select j.id, j.worker, w.name
from openbell.job j
left join openbell.worker w on w.id = j.worker
where $1::bigint[] is null or j.id = any ($1)
