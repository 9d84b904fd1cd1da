select kind, subject, in_a_row, code from openbell.digest_feed where in_a_row = $1 order by id
