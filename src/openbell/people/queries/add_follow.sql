select openbell.follow_ticker($1, $2, $3)
