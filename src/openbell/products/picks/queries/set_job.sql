update openbell.picks_slot set job_id = $2 where edition = any($1::text[])
