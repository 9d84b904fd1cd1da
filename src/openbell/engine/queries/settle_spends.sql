select openbell.settle($1)
