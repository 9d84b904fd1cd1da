select id, actor, report_type, mode, created_at, cancelled_at from openbell.digest_batch where id = $1
