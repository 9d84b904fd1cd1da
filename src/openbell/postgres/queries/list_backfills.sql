select b.name, b.batch, b.rate, b.cursor, b.rows, b.batches, b.error, b.started_at, b.moved_at, b.finished_at
from openbell.backfill b
order by b.name
