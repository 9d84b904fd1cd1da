select * from openbell.rescue($1)
