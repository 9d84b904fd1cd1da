select state, run_at from openbell.end_attempt($1, $2, $3, $4, $5, $6, $7, $8)
