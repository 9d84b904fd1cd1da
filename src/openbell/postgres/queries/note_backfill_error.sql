update openbell.backfill set error = left($2, 300) where name = $1 and finished_at is null
