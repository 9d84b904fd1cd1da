select outcome from openbell.complete($1, $2, $3)
