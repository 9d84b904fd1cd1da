select openbell.take_note($1, $2, $3, $4)
