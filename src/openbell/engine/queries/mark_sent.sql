select openbell.mark_sent($1, $2, $3)
