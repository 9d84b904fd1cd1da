select openbell.skip_job($1, $2, $3, $4)
