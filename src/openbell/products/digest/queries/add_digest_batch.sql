insert into openbell.digest_batch (actor, report_type, mode) values ($1, $2, $3) returning id
