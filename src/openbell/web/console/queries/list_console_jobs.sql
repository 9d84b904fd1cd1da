-- One page of finished jobs within a span of time, newest first, from after a place ($2, $3); the span keeps it to few partitions.
select h.id, h.product, h.key, h.job_class, h.outcome::text as state, h.attempts, h.finished_at, h.code, h.message, h.cost_micro
from openbell.job_history h
where h.finished_at > $1 and h.finished_at <= $2 and (h.finished_at, h.id) < ($2, $3)
    and ($4::text is null or h.outcome::text = $4) and ($5::text is null or h.product = $5) and ($6::text is null or h.key = $6)
    and ($7::text is null or h.code = $7) and ($8::smallint is null or h.job_class = $8)
order by h.finished_at desc, h.id desc
limit $9
