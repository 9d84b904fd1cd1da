update openbell.backfill set rate = $2 where name = $1 and finished_at is null returning name
