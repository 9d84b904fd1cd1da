select openbell.grant_web($1)
