select openbell.cancel_job($1, $2)
