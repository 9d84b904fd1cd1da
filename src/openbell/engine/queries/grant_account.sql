select word, granted, extra, free, woken from openbell.grant_account($1, $2, $3, $4, $5, $6)
