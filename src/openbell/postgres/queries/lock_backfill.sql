select b.cursor, b.batch, b.rate from openbell.backfill b where b.name = $1 and b.finished_at is null for update
