select openbell.fill_rows($1, $2)
