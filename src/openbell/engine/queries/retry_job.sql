select openbell.retry_job($1, $2)
